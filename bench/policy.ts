/**
 * What a policy costs: microseconds of processor time for the weights of one step, over what four members say along a file of this
 * repository, beside Hedge. Usage: node bench/policy.ts [FILE]
 */
import '../src/config/noTelemetry.ts';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { loadMemberManifest } from '../src/config/memberManifest.ts';
import { lexemeClasses } from '../src/lm/lexeme.ts';
import type { Member } from '../src/lm/member.ts';
import { openNeuralMember } from '../src/lm/neural/neuralMember.ts';
import { NgramIndex } from '../src/lm/ngram/ngramIndex.ts';
import { NgramMember } from '../src/lm/ngram/ngramMember.ts';
import { END, NEWLINE } from '../src/lm/symbols.ts';
import { createActorPolicy } from '../src/policy/actorPolicy.ts';
import { Hedge } from '../src/policy/hedge.ts';
import type { Policy, Situation, StepState } from '../src/policy/policy.ts';
import { bundledMembersPath, findMembers } from '../src/server/memberFolders.ts';
import { untrainedPolicy } from '../test/support/policyFiles.ts';
import { distributionOf } from './support/statistics.ts';

const nMembers = 4;
const nBytes = 600;
const nRounds = 100;
const root = path.join(import.meta.dirname, '..');
const text = readFileSync(process.argv[2] ?? path.join(root, 'src/server/engine.ts'));

const members = await openMembers();
const { situation, states } = await read(members, text);
const ids = members.map(({ id }) => id);
const contenders: Policy[] = [
  new Hedge(nMembers),
  createActorPolicy(untrainedPolicy(ids), ids),
  createActorPolicy(untrainedPolicy('*'), ids),
];
const measured = contenders.map(
  (): Record<'weights' | 'observe', number[]> => ({ weights: [], observe: [] }),
);
for (let round = -10; round < nRounds; round++) {
  contenders.forEach((policy, i) => {
    const { weights, observe } = timeRound(policy);
    if (round < 0) return;
    measured[i].weights.push(weights);
    measured[i].observe.push(observe);
  });
}
const columns = Object.fromEntries(
  contenders.map(({ name }, i) => [
    name,
    {
      'µs a step': distributionOf(measured[i].weights).p50.toFixed(2),
      'fastest round': distributionOf(measured[i].weights).minimum.toFixed(2),
      'p95 of rounds': distributionOf(measured[i].weights).p95.toFixed(2),
      'µs a byte observed': distributionOf(measured[i].observe).p50.toFixed(2),
    },
  ]),
);
console.log(`${nMembers} members, ${states.length} places, ${nRounds} rounds`);
console.table(columns);
for (const member of members) await member.close();

/** Microseconds of processor time per place to ask for weights, and per byte to observe it. */
function timeRound(policy: Policy): { weights: number; observe: number } {
  const out = new Float64Array(nMembers);
  policy.begin(situation);
  const weights = processorTime(() => {
    for (const state of states) {
      policy.weights(out, state);
      // As in the decode loop: whether the text ends is asked where a lexeme begins.
      if (beginsLexeme(state)) policy.stops?.(state);
    }
  });
  const observe = processorTime(() => {
    for (const state of states) policy.observe?.(state.text[state.length], state);
  });
  return { weights: weights / states.length, observe: observe / states.length };
}

function beginsLexeme({ text: bytes, length }: StepState): boolean {
  return length === 0 || lexemeClasses[bytes[length]] !== lexemeClasses[bytes[length - 1]];
}

/** In microseconds; other processes do not count. */
function processorTime(work: () => void): number {
  const start = process.cpuUsage();
  work();
  const { user, system } = process.cpuUsage(start);
  return user + system;
}

/** The n-gram of the file's beginning and the bundled members, the first of them again where there are too few. */
async function openMembers(): Promise<Member[]> {
  const index = new NgramIndex({ maximumBytes: 1 << 24 });
  index.setDocument('file', text.subarray(0, text.length >> 1), 'workspace');
  const folders = findMembers(bundledMembersPath()).map(({ folder }) => folder);
  const opened: Member[] = [new NgramMember('workspace', index)];
  for (let i = 0; opened.length < nMembers; i++) {
    const folder = folders[i % folders.length];
    const { manifest, problem } = await loadMemberManifest(folder);
    if (problem) throw problem;
    opened.push(await openNeuralMember(folder, manifest));
  }
  return opened;
}

/** What the members say at every byte from the middle of the text on. */
async function read(
  asked: readonly Member[],
  bytes: Uint8Array,
): Promise<{ situation: Situation; states: readonly StepState[] }> {
  const middle = bytes.length >> 1;
  const prefix = bytes.subarray(0, middle);
  const context = { documentId: 'file', languageId: 'typescript', prefix, suffix: new Uint8Array() };
  const { signal } = new AbortController();
  const streams = [];
  for (const member of asked) streams.push(await member.open(context, signal));
  const written = bytes.subarray(middle, middle + nBytes);
  const states: StepState[] = [];
  const logProbabilities = streams.map((stream) => Float64Array.from(stream.recentLogProbabilities));
  for (let length = 0; length < written.length; length++) {
    states.push({
      distributions: streams.map(({ distribution }) => folded(distribution)),
      evidence: streams.map(({ evidence }) => evidence.slice()),
      lag: new Int32Array(asked.length),
      text: written,
      length,
      logProbability: -length,
    });
    for (const stream of streams) await stream.advance(written[length]);
  }
  for (const stream of streams) stream.release();
  return {
    situation: {
      recent: { bytes: prefix, logProbabilities },
      languageId: context.languageId,
      members: asked,
      prefix,
      suffix: context.suffix,
    },
    states,
  };
}

function folded(distribution: Float64Array): Float64Array {
  const copy = distribution.slice();
  copy[END] += copy[NEWLINE];
  copy[NEWLINE] = 0;
  return copy;
}
