import { pathToFileURL } from 'node:url';
import { defaultSettings, type Settings } from '../../src/config/settings.ts';
import type { CompletionReport } from '../../src/protocol/completion.ts';
import { type Ensemble, startEnsemble } from '../../src/server/ensemble.ts';
import { createLog } from '../../src/server/log.ts';
import type { Corpus, Cursor } from './corpus.ts';

const settings: Settings = { ...defaultSettings, languages: { '*': true } };

/** The product's own ensemble in this process, its members loaded, the corpus read as its workspace. */
export async function openEnsemble(corpus: Corpus): Promise<Ensemble> {
  const ensemble = startEnsemble({
    settings,
    modelsPath: undefined,
    trusted: true,
    folders: [pathToFileURL(corpus.folder).href],
    log: createLog((level, message) => process.stderr.write(`${level}: ${message}\n`), 'warn'),
    onChange: () => undefined,
    memberDeadlineMs: 120_000,
  });
  await ensemble.ready();
  const failed = ensemble.engine.status().members.filter((member) => member.state !== 'ready');
  if (failed.length === 0) return ensemble;
  await ensemble.close();
  throw new Error(failed.map(({ id, state, message }) => `${id} is ${message ?? state}`).join('; '));
}

export interface Typed {
  readonly report: CompletionReport;
  /** From the keystroke (the changed text is handed over) to the answer. */
  readonly milliseconds: number;
  /** True where it is what remained of the suggestion before: no member was asked. */
  readonly isRepeated: boolean;
}

/**
 * A completion is asked for at a cursor, automatically as after a pause in typing, or explicitly: then confidence
 * decides nothing, and a whole line is always written.
 */
export async function completeAt(
  { engine, library }: Ensemble,
  { uri, languageId, text, offset }: Cursor,
  kind: 'automatic' | 'explicit',
): Promise<Typed> {
  const start = performance.now();
  library.setDocument({ uri, text });
  const request = { uri, languageId, text, offset, isExplicit: kind === 'explicit' };
  const { report, isRepeated } = await engine.complete(request, new AbortController().signal);
  return { report, isRepeated, milliseconds: performance.now() - start };
}

/**
 * Everything before the cursor is read and nothing written: no completion can be certain enough. So what is
 * written afterwards was not computed before.
 */
export async function readUpTo(ensemble: Ensemble, cursor: Cursor): Promise<Typed> {
  ensemble.configure({ ...settings, minimumConfidence: 1 });
  try {
    return await completeAt(ensemble, cursor, 'automatic');
  } finally {
    ensemble.configure(settings);
  }
}

/** The cursor as it was this many keystrokes ago, on the same line. */
export function keystrokesAgo(cursor: Cursor, nKeys: number): Cursor {
  const { text, offset } = cursor;
  let earlier = offset;
  while (earlier > 0 && offset - earlier < nKeys && text[earlier - 1] !== '\n') earlier--;
  if (/[\uDC00-\uDFFF]/.test(text[earlier] ?? '')) earlier--;
  return { ...cursor, text: text.slice(0, earlier) + text.slice(offset), offset: earlier };
}
