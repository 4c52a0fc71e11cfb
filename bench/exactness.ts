/**
 * How near the shipped settings come to reading every tokenisation, and drafted to undrafted reading.
 * Usage: node bench/exactness.ts [FOLDER] [--cursors N] [--seed N]
 * FOLDER holds source that no member was trained on; node_modules by default. Random weights in two vocabularies
 * of others stand beside the bundled members.
 */
import '../src/config/noTelemetry.ts';
import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { loadMemberManifest } from '../src/config/memberManifest.ts';
import type { FrontierOptions } from '../src/lm/neural/frontier.ts';
import {
  defaultNeuralMemberOptions,
  type NeuralMember,
  type NeuralMemberOptions,
  openNeuralMember,
} from '../src/lm/neural/neuralMember.ts';
import { bundledMembersPath, findMembers } from '../src/server/memberFolders.ts';
import { measureAgreement, type Passage } from './support/agreement.ts';
import { foreignVocabularies, openForeignMember } from './support/foreignMember.ts';

const root = path.join(import.meta.dirname, '..');
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { cursors: { type: 'string', default: '200' }, seed: { type: 'string', default: '1' } },
});
const nCursors = Number(values.cursors);
const extensions = /\.(m?[jt]sx?|py)$/;
const generated = /\.d\.[mc]?ts$|\.min\.|(^|\/)(dist|build|vendor)\//;

/** K and threshold that stand for "all": more changes nothing that can be seen. */
const wide: FrontierOptions = { hypotheses: 48, threshold: 0 };
const readsWide: NeuralMemberOptions = { ...defaultNeuralMemberOptions, frontier: wide };
/** Bytes read at each cursor, and cursors of the costly comparison with all tokenisations. */
const passageBytes = 40;
const nWideCursors = Math.ceil(nCursors / 10);

interface Contender {
  readonly name: string;
  readonly nCursors: number;
  open(options: NeuralMemberOptions): Promise<NeuralMember>;
}

const contenders: Contender[] = [
  ...findMembers(bundledMembersPath()).map(({ folder }) => ({
    name: path.basename(folder),
    nCursors,
    open: async (options: NeuralMemberOptions) => {
      const { manifest, problem } = await loadMemberManifest(folder);
      if (!manifest) throw problem;
      return openNeuralMember(folder, manifest, options);
    },
  })),
  ...(['qwen2_5', 'llama3'] satisfies (keyof typeof foreignVocabularies)[]).map((vocabulary) => ({
    name: `random weights, ${vocabulary} (${foreignVocabularies[vocabulary].size} tokens)`,
    nCursors: Math.ceil(nCursors / 10),
    open: (options: NeuralMemberOptions) =>
      openForeignMember(path.join(root, '.cache/bench/foreign'), vocabulary, 'twoPart', options),
  })),
];

const { hypotheses, threshold } = defaultNeuralMemberOptions.frontier;
const passages = drawPassages(path.resolve(positionals[0] ?? path.join(root, 'node_modules')));
const rows: Record<string, Record<string, string | number>> = {};
for (const { name, nCursors: n, open } of contenders) {
  const shipped = await open(defaultNeuralMemberOptions);
  const all = await open(readsWide);
  const few = passages.slice(0, Math.min(n, nWideCursors));
  const exact = await measureAgreement(few, { member: shipped }, { member: all });
  const drafted = await measureAgreement(
    passages.slice(0, n),
    { member: shipped },
    { member: shipped, isDrafted: true },
  );
  rows[name] = {
    'bytes, exactness': exact.bytes,
    'same greedy': percent(exact.sameGreedy),
    'mean variation': exact.meanVariation.toFixed(4),
    'bytes, drafts': drafted.bytes,
    'same greedy, drafted': percent(drafted.sameGreedy),
    'greedy flips': Math.round((1 - drafted.sameGreedy) * drafted.bytes),
    'mean variation, drafted': drafted.meanVariation.toFixed(5),
  };
  await Promise.all([shipped.close(), all.close()]);
}
console.log(
  `K = ${hypotheses} and threshold ${threshold} against K = ${wide.hypotheses} and threshold ${wide.threshold}; a text read byte by byte against one read in drafts`,
);
console.table(rows);

function drawPassages(folder: string): Passage[] {
  const files = readdirSync(folder, { recursive: true })
    .map((file) => String(file).replaceAll('\\', '/'))
    .filter((file) => extensions.test(file) && !generated.test(file))
    .toSorted();
  let state = Number(values.seed);
  const random = () => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return state / 2 ** 32;
  };
  const drawn: Passage[] = [];
  for (let tries = 0; drawn.length < nCursors && tries < 100 * nCursors; tries++) {
    const file = files[Math.floor(random() * files.length)];
    const bytes = readFileSync(path.join(folder, file));
    if (bytes.length < 400 || bytes.length > 60_000 || bytes.includes(0)) continue;
    const at = Math.floor(random() * (bytes.length - passageBytes));
    const rest = bytes.subarray(at + passageBytes, at + passageBytes + 500);
    const context = {
      documentId: `${drawn.length}`,
      languageId: '',
      prefix: bytes.subarray(0, at),
      suffix: rest,
    };
    drawn.push({ context, bytes: bytes.subarray(at, at + passageBytes) });
  }
  if (drawn.length < nCursors) throw new Error(`${folder} has too little source: ${drawn.length} cursors`);
  return drawn;
}

function percent(part: number): string {
  return `${(100 * part).toFixed(2)} %`;
}
