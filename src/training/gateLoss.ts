import * as tf from '@tensorflow/tfjs-core';
import { SYMBOLS } from '../lm/symbols.ts';

/** Steps of true text as the linear combiner scores them: n steps, M members; all in nats. */
export interface LinearSteps {
  /** ln of Hedge's weights; [n, M]. */
  readonly logHedge: tf.Tensor2D;
  /**
   * ln Aᵢ, what the member gave the step's bytes and to what ends it, and ln aᵢ, what it gave at the step's start to all
   * symbols that may begin a step there; [n, M] each.
   */
  readonly logStep: tf.Tensor2D;
  readonly logMayBegin: tf.Tensor2D;
  /** 1 where the member takes part, else 0; [n, M]. */
  readonly present: tf.Tensor2D;
}

/** Factors of the geometric combiner's score of true text: rows of logits over the symbols. */
export interface GeometricFactors {
  /** ln max(10⁻⁶, pᵢ); [n, M, SYMBOLS]; 0 for absent members. */
  readonly logDistributions: tf.Tensor3D;
  /** The exponents without the policy; [n, M]; 0 for absent members. */
  readonly exponents: tf.Tensor2D;
  /** 1 for symbols that may come next, and of those 1 for those that did; [n, SYMBOLS] each. */
  readonly possible: tf.Tensor2D;
  readonly happened: tf.Tensor2D;
  /** 1 where the member takes part, else 0; [n, M]. */
  readonly present: tf.Tensor2D;
}

/** How far a policy may move ln w (linear) or an exponent (geometric). */
const changeRange = { linear: 6, geometric: 1.5 } as const;
const maximumExponent = 2;

/** Stands for ln 0. */
const never = -1e9;

/**
 * ln p of each step under w = softmax(ln h + u): ln Σ wᵢ Aᵢ − ln Σ wᵢ aᵢ; [n]. What it sums to over the steps of a line
 * is the linear combiner's ln p of the line.
 */
export function linearLogProbabilities(steps: LinearSteps, changes: tf.Tensor2D): tf.Tensor1D {
  const { linear } = changeRange;
  const absent = tf.mul(tf.sub(1, steps.present), never);
  const logWeights = tf.add(tf.add(steps.logHedge, tf.clipByValue(changes, -linear, linear)), absent);
  return tf.sub(
    tf.logSumExp(tf.add(logWeights, steps.logStep), 1),
    tf.logSumExp(tf.add(logWeights, steps.logMayBegin), 1),
  );
}

/**
 * ln of each factor under wᵢ = clip(eᵢ + uᵢ, 0, 2): with logits Σ wᵢ ln max(10⁻⁶, pᵢ), the mass of what happened among
 * what was possible; [n].
 */
export function geometricLogProbabilities(factors: GeometricFactors, changes: tf.Tensor2D): tf.Tensor1D {
  const { geometric } = changeRange;
  const { exponents, present, possible, happened } = factors;
  const moved = tf.add(exponents, tf.clipByValue(changes, -geometric, geometric));
  const weights = tf.mul(tf.clipByValue(moved, 0, maximumExponent), present);
  const [n, nMembers] = weights.shape;
  const logits = tf.reshape(tf.matMul(tf.reshape(weights, [n, 1, nMembers]), factors.logDistributions), [
    n,
    SYMBOLS,
  ]);
  const among = (symbols: tf.Tensor2D) => tf.logSumExp(tf.add(logits, tf.mul(tf.sub(1, symbols), never)), 1);
  return tf.sub(among(happened), among(possible));
}
