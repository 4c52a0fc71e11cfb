import { existsSync, readFileSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { parentPort, workerData } from 'node:worker_threads';
import * as z from 'zod';
import { featureGroups, formatPolicyFile } from '../config/policyFile.ts';
import { formatTrainingCheckpoint, parseTrainingCheckpoint } from '../config/trainingCheckpoint.ts';
import { parseHyperParameters } from '../training/hyperParameters.ts';
import { type RlaeSpanUpdate, trainRlaeSpanFile } from '../training/rlaeSpan.ts';
import { openBackend } from '../training/tensorflow.ts';
import {
  type TrainingCursor,
  type TrainingEvent,
  type TrainingState,
  trainPolicy,
} from '../training/trainPolicy.ts';
import { Failure, reasonOf } from './failures.ts';
import { readPaths } from './pathFiles.ts';

const trainingJobSchema = z.object({
  /** The first number is 1 once training is to end after the update in hand. */
  stop: z.instanceof(SharedArrayBuffer),
  trainFiles: z.array(z.string()),
  /** Where there are none, one cursor in five is held out. */
  heldOutFiles: z.array(z.string()),
  out: z.string(),
  algorithm: z.enum(['ppo', 'mappo', 'gate', 'rlaeSpan']),
  gateKind: z.enum(['slots', 'perMember']),
  combiner: z.enum(['linear', 'geometric']),
  granularity: z.enum(['token', 'span']),
  groups: z.array(z.enum(featureGroups)),
  warmStart: z.enum(['gate', 'hedge']),
  stopStage: z.enum(['exact', 'none']),
  seed: z.int(),
  nUpdates: z.int().nullable(),
  minutes: z.number().nullable(),
  /** The most cursors to train on, and to hold out. */
  limit: z.int().nullable(),
  isResumed: z.boolean(),
  /** As `parseHyperParameters` reads them. */
  settings: z.array(z.string()),
  backend: z.enum(['native', 'wasm']).optional(),
});

export type TrainingJob = z.output<typeof trainingJobSchema>;

/** An update of RLAE as published. */
export type RlaeSpanEvent = { readonly stage: 'rlaeSpan' } & RlaeSpanUpdate;

export type FromTrainWorker =
  | { readonly type: 'started'; readonly backend: string; readonly nTrain: number; readonly nHeldOut: number }
  | { readonly type: 'event'; readonly event: TrainingEvent | RlaeSpanEvent }
  | { readonly type: 'done'; readonly training: Readonly<Record<string, unknown>> }
  | { readonly type: 'failed'; readonly message: string; readonly isDefect: boolean };

/** The entry of the worker thread that trains. It reads the collected paths and writes the policy and the checkpoints. */
if (parentPort) {
  const post = (message: FromTrainWorker) => parentPort?.postMessage(message);
  try {
    post({ type: 'done', training: await train(trainingJobSchema.parse(workerData), post) });
  } catch (error) {
    const isDefect = !(error instanceof Failure);
    const explained = error instanceof Error ? (isDefect ? error.stack : error.message) : undefined;
    post({ type: 'failed', message: explained ?? String(error), isDefect });
  }
}

/** Gives what the policy file says of how it was made. */
async function train(job: TrainingJob, post: (message: FromTrainWorker) => void) {
  const { algorithm, gateKind, combiner, granularity, groups, warmStart, seed, out } = job;
  const started = performance.now();
  const stop = new Int32Array(job.stop);
  const { ppo, gate, policy, ...others } = parseHyperParameters(job.settings);
  const stopStage = job.stopStage === 'exact' ? others.stop : null;
  const { cursors, heldOut } = readCursors(job);
  const backend = await openBackend(job.backend).catch((error: unknown) => {
    throw new Failure(
      `@tensorflow/tfjs-node does not load (${reasonOf(error).split('\n', 1)[0]}). Install it with npm install @tensorflow/tfjs-node, or leave out --backend.`,
    );
  });
  post({ type: 'started', backend, nTrain: cursors.length, nHeldOut: heldOut.length });

  const deadline = job.minutes === null ? Number.POSITIVE_INFINITY : started + job.minutes * 60_000;
  const shouldStop = () => Atomics.load(stop, 0) === 1 || performance.now() > deadline;
  const nUpdates = job.nUpdates ?? Number.POSITIVE_INFINITY;
  const name = policyName(out);
  const notes = {
    date: new Date().toISOString().slice(0, 10),
    backend,
    trainPackages: new Set(cursors.map(({ packageName }) => packageName)).size,
    trainCursors: cursors.length,
  };
  const onEvent = (event: TrainingEvent | RlaeSpanEvent) => post({ type: 'event', event });
  if (algorithm === 'rlaeSpan') {
    const onUpdate = (update: RlaeSpanUpdate) => {
      onEvent({ stage: 'rlaeSpan', ...update });
      return !shouldStop();
    };
    const { spanLength } = policy;
    const training = { cursors, seed, spanLength, nUpdates, hyperParameters: ppo, onUpdate };
    const file = await trainRlaeSpanFile(training, { name, notes });
    await writeWhole(out, formatPolicyFile(file));
    return file.training;
  }
  const chosen = {
    algorithm,
    gateKind,
    combiner,
    granularity,
    groups,
    warmStart,
    seed,
    ppo,
    gate,
    policy,
    stop: stopStage,
  };
  const identity = JSON.stringify({ ...chosen, files: [job.trainFiles, job.heldOutFiles, job.limit] });
  const checkpointPath = `${out}.checkpoint`;
  const resume = job.isResumed ? readCheckpoint(checkpointPath, identity) : undefined;
  const file = await trainPolicy({
    ...chosen,
    ...policy,
    name,
    train: cursors,
    heldOut,
    nUpdates,
    notes: {
      ...notes,
      heldOutCursors: heldOut.length,
      hyperParameters: { ppo, gate, stop: stopStage, policy },
      warmStart,
    },
    ...(resume ? { resume } : {}),
    shouldStop,
    clock: () => performance.now(),
    onEvent,
    onState: (state) => writeWhole(checkpointPath, formatTrainingCheckpoint(identity, state)),
  });
  await writeWhole(out, formatPolicyFile(file));
  return file.training;
}

type Cursor = TrainingCursor & { readonly packageName: string };

function readCursors({ trainFiles, heldOutFiles, limit }: TrainingJob): {
  readonly cursors: readonly Cursor[];
  readonly heldOut: readonly Cursor[];
} {
  const read = (files: readonly string[]): readonly Cursor[] => {
    const cursors = files.flatMap((file, packageIdx) => [...readPaths(file, { packageIdx })]);
    if (limit === null || cursors.length <= limit) return cursors;
    // Evenly from all packages.
    return Array.from({ length: limit }, (_, i) => cursors[Math.floor((i * cursors.length) / limit)]);
  };
  const cursors = read(trainFiles);
  if (heldOutFiles.length > 0) return { cursors, heldOut: read(heldOutFiles) };
  const isHeldOut = (_: Cursor, i: number) => i % 5 === 4;
  return {
    cursors: cursors.filter((cursor, i) => !isHeldOut(cursor, i)),
    heldOut: cursors.filter(isHeldOut),
  };
}

function readCheckpoint(path: string, identity: string): TrainingState {
  if (!existsSync(path)) throw new Failure(`there is no ${path} to go on from. Leave out --resume.`);
  const checkpoint = parseTrainingCheckpoint(readFileSync(path, 'utf8'));
  if (checkpoint === undefined) throw new Failure(`${path} is not a whole checkpoint. Leave out --resume.`);
  if (checkpoint.identity !== identity) {
    throw new Failure(
      `${path} is of a training with other options. Give the same ones, or leave out --resume.`,
    );
  }
  return checkpoint.state;
}

/** The file is there whole or as it was before. */
async function writeWhole(path: string, text: string): Promise<void> {
  await writeFile(`${path}.partial`, text);
  await rename(`${path}.partial`, path);
}

function policyName(out: string): string {
  const name = out.replace(/^.*[\\/]/, '').replace(/\.json$/, '');
  return name.replace(/[^A-Za-z0-9._-]/g, '-').replace(/^[^A-Za-z0-9]+/, '') || 'policy';
}
