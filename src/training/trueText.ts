import * as tf from '@tensorflow/tfjs-core';
import type { CombinerName } from '../decoding/combiner.ts';
import { scoreLine } from '../decoding/decode.ts';
import { END, NEWLINE, SYMBOLS } from '../lm/symbols.ts';
import { baseExponent } from '../policy/actorPolicy.ts';
import type { ActorCritic } from './actorCritic.ts';
import { tensorsOf } from './decisions.ts';
import type { ScoredText } from './gate.ts';
import { geometricLogProbabilities, linearLogProbabilities } from './gateLoss.ts';
import type { Layout } from './layout.ts';
import { type Factor, StepReader, type TrueStep, type TrueTextCursor } from './stepReader.ts';

/** Reads the cursors' targets, teacher-forced, so that any actor of this layout can be scored on them. */
export async function readTrueText(
  cursors: readonly TrueTextCursor[],
  layout: Layout,
  combiner: CombinerName,
): Promise<ScoredText> {
  const steps: TrueStep[] = [];
  const factors: Factor[] = [];
  let nSymbols = 0;
  for (const cursor of cursors) {
    const target = encoder.encode(cursor.target);
    const reader = new StepReader(layout, combiner, cursor, steps, factors);
    await scoreLine(
      {
        context: cursor.context,
        streams: cursor.streams(),
        members: cursor.members,
        policy: reader,
        combiner,
        signal: neverAborted,
      },
      target,
    );
    nSymbols += target.length + 1;
  }
  return combiner === 'linear'
    ? linearText(steps, nSymbols, layout)
    : geometricText(steps, factors, nSymbols, layout);
}

const encoder = new TextEncoder();
const neverAborted = new AbortController().signal;

function linearText(steps: readonly TrueStep[], nSymbols: number, { shape }: Layout): ScoredText {
  return {
    nRows: steps.length,
    nSymbols,
    logProbabilities(networks, rows) {
      return linearStepLogProbabilities(
        networks,
        rows.map((row) => steps[row]),
        shape,
      );
    },
  };
}

/** ln p of steps under the networks' mean actions, with the linear combiner. To be called inside tf.tidy. */
export function linearStepLogProbabilities(
  networks: Pick<ActorCritic, 'act'>,
  steps: readonly TrueStep[],
  shape: Layout['shape'],
): tf.Tensor1D {
  const { observations } = tensorsOf(
    steps.map(({ decision }) => decision),
    shape,
  );
  const matrix = (of: (step: TrueStep) => Float32Array) => stacked(steps.map(of), shape.nMembers);
  return linearLogProbabilities(
    {
      logHedge: matrix(({ logHedge }) => logHedge),
      logStep: matrix(({ logStep }) => logStep),
      logMayBegin: matrix(({ logMayBegin }) => logMayBegin),
      present: observations.present,
    },
    networks.act(observations).means,
  );
}

function geometricText(
  steps: readonly TrueStep[],
  factors: readonly Factor[],
  nSymbols: number,
  layout: Layout,
): ScoredText {
  const { nMembers } = layout.shape;
  return {
    nRows: factors.length,
    nSymbols,
    logProbabilities(networks: ActorCritic, rows) {
      const picked = rows.map((row) => factors[row]);
      const decisions = picked.map(({ stepIdx }) => steps[stepIdx].decision);
      const { observations } = tensorsOf(decisions, layout.shape);
      const probabilities = new Float32Array(rows.length * nMembers * SYMBOLS).fill(1);
      const exponents = new Float32Array(rows.length * nMembers);
      for (const [row, { cursor, node }] of picked.entries()) {
        for (const [i, place] of layout.places(cursor.members).entries()) {
          const at = (row * nMembers + place) * SYMBOLS;
          probabilities.set(cursor.distribution(i, node), at);
          foldLineEnd(probabilities.subarray(at, at + SYMBOLS));
          exponents[row * nMembers + place] = baseExponent(cursor.members.length);
        }
      }
      const logDistributions: tf.Tensor3D = tf.log(
        tf.maximum(tf.tensor3d(probabilities, [rows.length, nMembers, SYMBOLS]), probabilityFloor),
      );
      return geometricLogProbabilities(
        {
          logDistributions,
          exponents: tf.tensor2d(exponents, [rows.length, nMembers]),
          possible: stacked(
            picked.map(({ possible }) => possible),
            SYMBOLS,
          ),
          happened: stacked(
            picked.map(({ happened }) => happened),
            SYMBOLS,
          ),
          present: observations.present,
        },
        networks.act(observations).means,
      );
    },
  };
}

/** Under this, a probability counts as this in the geometric combiner. */
const probabilityFloor = 1e-6;

/** As the decode loop does it. */
function foldLineEnd(distribution: Float32Array): void {
  distribution[END] += distribution[NEWLINE] + distribution[carriageReturn];
  distribution[NEWLINE] = 0;
  distribution[carriageReturn] = 0;
}

const carriageReturn = 13;

function stacked(rows: readonly Float32Array[], width: number): tf.Tensor2D {
  const values = new Float32Array(rows.length * width);
  for (const [i, row] of rows.entries()) values.set(row, i * width);
  return tf.tensor2d(values, [rows.length, width]);
}
