import { relative } from 'node:path';
import type { NgramIndex } from '../../src/lm/ngram/ngramIndex.ts';
import { NgramMember } from '../../src/lm/ngram/ngramMember.ts';
import { workspaceFiles } from '../../src/server/workspaceFiles.ts';

export interface TextFile {
  readonly id: string;
  readonly bytes: Uint8Array;
}

/** Lines up to this long are alike by chance. */
const SHORT_LINE = 15;
const LARGEST_FILE = 500_000;
/** Bytes of a file that are scored, and bytes "typed" between two scores. */
const SCORED = 4000;
const TYPED = 100;

/** The source files of a folder in a seeded order, at most this many bytes. */
export async function gatherText(folder: string, maximumBytes: number, seed = 1): Promise<TextFile[]> {
  const files: TextFile[] = [];
  const options = {
    signal: new AbortController().signal,
    maximumFileBytes: LARGEST_FILE,
    onUnreadable: (path: string) => process.stderr.write(`${path} cannot be read\n`),
  };
  for await (const { path, bytes } of workspaceFiles(folder, options)) {
    if (/\.(ts|js|mjs|cjs|py)$/.test(path)) files.push({ id: relative(folder, path), bytes });
  }
  shuffle(files, seed);
  let room = maximumBytes;
  return files.filter(({ bytes }) => {
    room -= bytes.length;
    return room >= 0;
  });
}

/** Those of the files that don't repeat what the others hold: at most 30 % of their lines of code, or two. */
export function withoutNearDuplicates(files: readonly TextFile[], others: readonly TextFile[]): TextFile[] {
  const lines = ({ bytes }: TextFile) =>
    new Set(
      new TextDecoder()
        .decode(bytes)
        .split('\n')
        .map((line) => line.trim())
        .filter((line) => line.length > SHORT_LINE && !/^(import|from)\b/.test(line)),
    );
  const shared = (a: Set<string>, b: Set<string>) => [...a].filter((line) => b.has(line)).length;
  const otherLines = others.map(lines);
  return files.filter((file) => {
    const own = lines(file);
    return !otherLines.some(
      (other) => shared(own, other) > Math.max(2, 0.3 * Math.min(own.size, other.size)),
    );
  });
}

/** Bits per byte of the starts of files, predicted as they are typed; none of them is in the index before or after. */
export async function scoreFiles(index: NgramIndex, files: readonly TextFile[]): Promise<number> {
  const member = new NgramMember('ngram', index);
  const { signal } = new AbortController();
  let nats = 0;
  let count = 0;
  for (const { id, bytes } of files) {
    const text = bytes.subarray(0, SCORED);
    for (let from = 0; from < text.length; from += TYPED) {
      const end = Math.min(from + TYPED, text.length);
      const prefix = text.subarray(0, end);
      index.setDocument(id, prefix, 'open');
      const context = { documentId: id, languageId: '', prefix, suffix: new Uint8Array(0) };
      const stream = await member.open(context, signal);
      const scores = stream.recentLogProbabilities;
      stream.release();
      for (let i = scores.length - (end - from); i < scores.length; i++) nats -= scores[i];
      count += end - from;
    }
    index.removeDocument(id);
  }
  return nats / Math.LN2 / count;
}

function shuffle(files: TextFile[], seed: number): void {
  let state = seed;
  for (let i = files.length - 1; i > 0; i--) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    const j = Math.floor((state / 2 ** 32) * (i + 1));
    [files[i], files[j]] = [files[j], files[i]];
  }
}
