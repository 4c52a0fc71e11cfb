/**
 * What the bundled neural members cost, each by itself in this thread and all together in their workers.
 * Usage: node bench/neural.ts [FILE] [--positions N]
 * FILE is source that no member was trained on. Wall-clock milliseconds are medians; "outside" is processor
 * time that is not spent in the model.
 */
import '../src/config/noTelemetry.ts';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { loadMemberManifest } from '../src/config/memberManifest.ts';
import type { MemberStream, TextContext } from '../src/lm/member.ts';
import { openNeuralMember } from '../src/lm/neural/neuralMember.ts';
import { Session } from '../src/lm/neural/session.ts';
import { startRemoteMember } from '../src/lm/remoteMember.ts';

const root = path.join(import.meta.dirname, '..');
const ids = ['consort-typescript', 'consort-python'];
const never = new AbortController().signal;
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { positions: { type: 'string', default: '12' } },
});
const source = readFileSync(positionals[0] ?? path.join(root, 'src/lm/neural/frontier.ts'));
const nPositions = Number(values.positions);
const nBytes = 60;
const span = Math.max(1, source.length - 2600);
const positions = Array.from({ length: nPositions }, (_, i) => 2000 + Math.floor((i * span) / nPositions));

/** Processor time in the model. */
const model = { milliseconds: 0, runs: 0 };
const run = Session.prototype.run;
Session.prototype.run = function (...given) {
  const start = process.cpuUsage();
  const outputs = run.apply(this, given);
  model.milliseconds += cpuMilliseconds(start);
  model.runs++;
  return outputs;
};

const rows: Record<string, Record<string, number>> = {};
for (const id of ids) rows[id] = await measureAlone(id);
console.table(rows);
console.log(await measureTogether());

async function measureAlone(id: string): Promise<Record<string, number>> {
  const folder = path.join(root, 'models', id);
  const { manifest, problem } = await loadMemberManifest(folder);
  if (!manifest) throw problem;
  const started = performance.now();
  const member = await openNeuralMember(folder, manifest);
  const loading = performance.now() - started;
  const prefills: number[] = [];
  const passes: number[] = [];
  const keystrokes: number[] = [];
  let keystrokePasses = 0;
  let outside = 0;
  let waited = 0;
  for (const [i, at] of [positions[0], ...positions].entries()) {
    let start = performance.now();
    let stream = await member.open(contextAt(at, `${i}`), never);
    if (i > 0) prefills.push(performance.now() - start);
    const opened = stream.forwardPasses;
    const runsBefore = model.runs;
    const modelBefore = model.milliseconds;
    const cpuBefore = process.cpuUsage();
    start = performance.now();
    for (const byte of source.subarray(at, at + nBytes)) await stream.advance(byte);
    if (i > 0) {
      waited += performance.now() - start;
      outside += cpuMilliseconds(cpuBefore) - (model.milliseconds - modelBefore);
      passes.push(model.runs - runsBefore);
      if (stream.forwardPasses - opened !== model.runs - runsBefore) throw new Error('passes are miscounted');
    }
    stream.release();
    for (let typed = 1; typed <= 20; typed++) {
      start = performance.now();
      stream = await member.open(contextAt(at + typed, `${i}`, at), never);
      keystrokes.push(performance.now() - start);
      keystrokePasses += stream.forwardPasses;
      stream.release();
    }
  }
  await member.close();
  const nPasses = passes.reduce((a, b) => a + b);
  return {
    'load ms': round(loading),
    'prefill ms': round(median(prefills)),
    'ms per pass': round(waited / nPasses),
    'passes per byte': round(nPasses / nBytes / positions.length),
    'outside µs per byte': round((1000 * outside) / nBytes / positions.length),
    'keystroke ms': round(median(keystrokes)),
    'passes per keystroke': round(keystrokePasses / keystrokes.length),
  };
}

/** All members read the same text, each in its worker: what a byte costs with the way there and back. */
async function measureTogether(): Promise<string> {
  const workerUrl = new URL('../src/lm/memberWorker.ts', import.meta.url);
  const members = await Promise.all(
    ids.map((id) =>
      startRemoteMember({
        id,
        kind: 'neural',
        workerUrl,
        workerData: { folder: path.join(root, 'models', id) },
      }),
    ),
  );
  const perByte: number[] = [];
  let nWaits = 0;
  for (const [i, at] of positions.entries()) {
    const streams = await Promise.all(members.map((member) => member.open(contextAt(at, `${i}`), never)));
    const start = performance.now();
    for (const byte of source.subarray(at, at + nBytes)) {
      const waits = streams.map((stream: MemberStream) => stream.advance(byte)).filter((wait) => wait);
      nWaits += waits.length;
      if (waits.length > 0) await Promise.all(waits);
    }
    perByte.push((1000 * (performance.now() - start)) / nBytes);
    for (const stream of streams) stream.release();
  }
  await Promise.all(members.map((member) => member.close()));
  const waitsPerByte = nWaits / nBytes / positions.length / members.length;
  return `${members.length} members in workers: ${round(median(perByte))} µs per byte, ${round(waitsPerByte)} waits per byte and member`;
}

function contextAt(at: number, documentId: string, suffixFrom = at): TextContext {
  const suffix = source.subarray(suffixFrom + 40, suffixFrom + 1500);
  return { documentId, languageId: 'typescript', prefix: source.subarray(0, at), suffix };
}

function cpuMilliseconds(since: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(since);
  return (user + system) / 1000;
}

function median(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[values.length >> 1];
}

function round(value: number): number {
  return Number(value.toPrecision(3));
}
