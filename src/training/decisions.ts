import * as tf from '@tensorflow/tfjs-core';
import type { Acted, Actions } from './actionDistribution.ts';
import type { NetworkShape, Observations } from './actorCritic.ts';

/** What an actor saw and did, once. */
export interface Decision {
  /** F numbers for each of M members at most; the last ones may be left out. */
  readonly members: Float32Array;
  readonly shared: Float32Array;
  /** A number for each: 1 where the member takes part, else 0. */
  readonly present: Float32Array;
  /** u as it was drawn, or null where no step followed. */
  readonly changes: Float32Array | null;
  /** What became of the question whether to stop, or null where it was not asked. */
  readonly stopped: boolean | null;
}

/** One completion: its decisions in their order, and the reward at its end. */
export interface Episode {
  readonly decisions: readonly Decision[];
  readonly reward: number;
  /** Episodes with the same number began at the same cursor. */
  readonly group: number;
}

export interface DecisionTensors {
  readonly observations: Observations;
  readonly actions: Actions;
  readonly acted: Acted;
}

/** Some decisions as tensors, padded with absent members to the shape's M. To be called inside tf.tidy. */
export function tensorsOf(decisions: readonly Decision[], shape: NetworkShape): DecisionTensors {
  const { nMembers: m, memberFeatures: f, sharedFeatures: s } = shape;
  const n = decisions.length;
  const members = new Float32Array(n * m * f);
  const shared = new Float32Array(n * s);
  const present = new Float32Array(n * m);
  const changes = new Float32Array(n * m);
  const changed = new Float32Array(n * m);
  const stops = new Float32Array(n);
  const asked = new Float32Array(n);
  for (const [row, decision] of decisions.entries()) {
    members.set(decision.members, row * m * f);
    shared.set(decision.shared, row * s);
    present.set(decision.present, row * m);
    if (decision.changes) {
      changes.set(decision.changes, row * m);
      changed.set(decision.present, row * m);
    }
    asked[row] = decision.stopped === null ? 0 : 1;
    stops[row] = decision.stopped ? 1 : 0;
  }
  return {
    observations: {
      members: tf.tensor3d(members, [n, m, f]),
      shared: tf.tensor2d(shared, [n, s]),
      present: tf.tensor2d(present, [n, m]),
    },
    actions: { changes: tf.tensor2d(changes, [n, m]), stops: tf.tensor1d(stops) },
    acted: { changed: tf.tensor2d(changed, [n, m]), asked: tf.tensor1d(asked) },
  };
}

/** The numbers 0..n−1 in random order, in lots of at most this many (Fisher & Yates 1938). */
export function minibatches(n: number, batchSize: number, random: () => number): number[][] {
  const order = Array.from({ length: n }, (_, i) => i);
  for (let i = n - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [order[i], order[j]] = [order[j], order[i]];
  }
  const lots: number[][] = [];
  for (let start = 0; start < n; start += batchSize) lots.push(order.slice(start, start + batchSize));
  return lots;
}
