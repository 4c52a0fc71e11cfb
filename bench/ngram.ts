/**
 * What the workspace n-gram costs: indexing, memory, a byte of prediction and a keystroke, with 10 and 100 MB indexed,
 * and how well it predicts files that are not indexed. Times are processor time, but for keystrokes. Before that, what a
 * start of the server costs, over the whole folders and from a saved index: seconds, lag of the main thread, memory.
 * Usage: node bench/ngram.ts [DIR…] [--megabytes 10,100] [--only start|index]
 * DIR are folders of source, node_modules by default; where they hold less text, less is indexed.
 */
import path from 'node:path';
import { parseArgs } from 'node:util';
import { NgramIndex } from '../src/lm/ngram/ngramIndex.ts';
import { NgramMember } from '../src/lm/ngram/ngramMember.ts';
import { measureStarts } from './support/indexing.ts';
import { gatherText, scoreFiles, type TextFile, withoutNearDuplicates } from './support/ngramText.ts';
import { distributionOf } from './support/statistics.ts';

const N_HELD_OUT = 40;
const N_KEYSTROKES = 300;
/** Where in a held-out file the cursor is, and how many bytes are predicted from there. */
const CURSOR = 2000;
const PREDICTED = 1000;
const DOCUMENT_BYTES = 60_000;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { megabytes: { type: 'string', default: '10,100' }, only: { type: 'string' } },
});
const sizes = values.megabytes.split(',').map(Number);
const folders = positionals.length > 0 ? positionals : [path.join(import.meta.dirname, '../node_modules')];
const { signal } = new AbortController();

if (values.only !== 'index') await printStarts(Math.max(...sizes));
if (values.only === 'start') process.exit();

const files: TextFile[] = [];
for (const folder of folders) {
  for (const { id, bytes } of await gatherText(folder, Number.POSITIVE_INFINITY)) {
    files.push({ id: path.join(folder, id), bytes });
  }
}
// Every n-th file, so that each folder has its part in all sizes.
const stride = Math.floor(files.length / N_HELD_OUT);
const heldOut = files.filter((_, i) => i % stride === 0);
const order = [...files.keys()].sort((a, b) => (a % 97) - (b % 97) || a - b);
const toIndex = order.filter((i) => i % stride !== 0).map((i) => files[i]);

const index = new NgramIndex({ maximumBytes: 1e9 });
const memoryBefore = process.memoryUsage.rss();
const rows: Record<string, Record<string, string>> = {};
let next = 0;
let indexingMs = 0;
for (const size of sizes) {
  const start = process.cpuUsage();
  const wallStart = performance.now();
  const bytesBefore = index.stats.bytes;
  for (; next < toIndex.length && index.stats.bytes < size * 1e6; next++) {
    index.setDocument(toIndex[next].id, toIndex[next].bytes, 'workspace');
  }
  const wallMs = performance.now() - wallStart;
  const ms = processorMs(start);
  indexingMs += ms;
  const { bytes, memoryBytes } = index.stats;
  const member = new NgramMember('ngram', index);
  const prediction = await measurePrediction(member);
  const typing = await measureTyping(member);
  rows[`${(bytes / 1e6).toFixed(1)} MB`] = {
    'MB/s so far': (bytes / 1e3 / indexingMs).toFixed(1),
    'MB/s last': ((bytes - bytesBefore) / 1e3 / ms).toFixed(1),
    'MB/s wall': ((bytes - bytesBefore) / 1e3 / wallMs).toFixed(1),
    'memory/byte': (memoryBytes / bytes).toFixed(2),
    'RSS/byte': ((process.memoryUsage.rss() - memoryBefore) / bytes).toFixed(2),
    'µs/byte': `${prediction.p50.toFixed(2)} (p95 ${prediction.p95.toFixed(2)})`,
    'edit ms': `${typing.edit.p50.toFixed(2)} (p95 ${typing.edit.p95.toFixed(2)})`,
    'open ms': `${typing.open.p50.toFixed(2)} (p95 ${typing.open.p95.toFixed(2)})`,
  };
}
console.table(rows);

const small = new NgramIndex({ maximumBytes: 1e9 });
const some = toIndex.slice(0, 400);
for (const { id, bytes } of withoutNearDuplicates(some, heldOut)) small.setDocument(id, bytes, 'workspace');
console.log(
  `${(await scoreFiles(small, heldOut)).toFixed(4)} bits per byte of ${heldOut.length} held-out files, ` +
    `${(small.stats.bytes / 1e6).toFixed(1)} MB indexed, near-duplicates left out`,
);

async function printStarts(megabytes: number): Promise<void> {
  const { anew, restored } = await measureStarts(folders, megabytes);
  const table = Object.entries({ anew, restored }).map(([name, start]) => [
    `start, ${name}`,
    {
      files: start.files,
      MB: (start.bytes / 1e6).toFixed(1),
      seconds: (start.milliseconds / 1000).toFixed(2),
      'MB/s wall': (start.bytes / 1e3 / start.milliseconds).toFixed(1),
      'processor s': (start.processorMs / 1000).toFixed(2),
      'lag ms p50': start.lag.p50.toFixed(1),
      p99: start.lag.p99.toFixed(1),
      max: start.lag.maximum.toFixed(1),
      'memory/byte': (start.memoryBytes / start.bytes).toFixed(2),
      'RSS/byte': (start.residentBytes / start.bytes).toFixed(2),
      ...(start.saved && {
        'save s': (start.saved.milliseconds / 1000).toFixed(2),
        'file/byte': (start.saved.bytes / start.bytes).toFixed(2),
      }),
    },
  ]);
  console.table(Object.fromEntries(table));
}

/** Microseconds for each byte of the held-out files after the cursor. */
async function measurePrediction(member: NgramMember) {
  const perFile: number[] = [];
  for (let pass = 0; pass < 2; pass++) {
    for (const { id, bytes } of heldOut.filter((file) => file.bytes.length > CURSOR + PREDICTED)) {
      const prefix = bytes.subarray(0, CURSOR);
      index.setDocument(id, prefix, 'open');
      const stream = await open(member, id, prefix);
      const start = process.cpuUsage();
      for (let at = CURSOR; at < CURSOR + PREDICTED; at++) stream.advance(bytes[at]);
      if (pass > 0) perFile.push((processorMs(start) * 1000) / PREDICTED);
      index.removeDocument(id);
    }
  }
  return distributionOf(perFile);
}

/** Milliseconds to follow a keystroke, and then to open a stream behind it, at random places of a large document. */
async function measureTyping(member: NgramMember) {
  const edit: number[] = [];
  const open_: number[] = [];
  let text = Buffer.concat(heldOut.map(({ bytes }) => bytes)).subarray(0, DOCUMENT_BYTES);
  index.setDocument('typed', text, 'open');
  for (let i = 0; i < N_KEYSTROKES; i++) {
    // Thirty keystrokes in a row, then elsewhere.
    const at = ((Math.floor(i / 30) * 7919) % (text.length - 100)) + (i % 30);
    text = Buffer.concat([text.subarray(0, at), Buffer.from([97 + (i % 26)]), text.subarray(at)]);
    let start = performance.now();
    index.setDocument('typed', text, 'open');
    edit.push(performance.now() - start);
    start = performance.now();
    await open(member, 'typed', text.subarray(0, at + 1), text.subarray(at + 1));
    open_.push(performance.now() - start);
  }
  index.removeDocument('typed');
  return { edit: distributionOf(edit), open: distributionOf(open_) };
}

function open(member: NgramMember, documentId: string, prefix: Uint8Array, suffix = new Uint8Array(0)) {
  return member.open({ documentId, languageId: '', prefix, suffix }, signal);
}

function processorMs(start: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(start);
  return (user + system) / 1000;
}
