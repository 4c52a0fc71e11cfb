import * as tf from '@tensorflow/tfjs-core';
import type { PpoHyperParameters } from './hyperParameters.ts';

/** Of n decisions by A agents (RLAE_PPO has one; RLAE_MAPPO one per member and one that stops). */
export interface PpoLossInputs {
  /** ln of the action's probability now less then; [n, A]. */
  readonly logRatios: tf.Tensor2D;
  /** 1 where the agent acted, else 0; [n, A]. */
  readonly acted: tf.Tensor2D;
  /** [n]. */
  readonly advantages: tf.Tensor1D;
  /** The critic's values now, at the rollout, and what they should be; [n] each. */
  readonly values: tf.Tensor1D;
  readonly oldValues: tf.Tensor1D;
  readonly returns: tf.Tensor1D;
  /** The mean entropy of a decision. */
  readonly entropy: tf.Scalar;
}

/** Scalars. */
export interface PpoLossTerms {
  readonly loss: tf.Scalar;
  readonly policyLoss: tf.Scalar;
  readonly valueLoss: tf.Scalar;
  /** E[(r − 1) − ln r] (Schulman 2020, "Approximating KL divergence", k3). */
  readonly approxKl: tf.Scalar;
  /** The share of ratios outside 1 ± ε. */
  readonly clipFraction: tf.Scalar;
}

/**
 * The clipped surrogate objective with value loss and entropy bonus (Schulman et al. 2017, equations 7 and 9), every
 * agent with its own ratio and all with the same advantage (Yu et al. 2022):
 * L = −E[min(r Â, clip(r, 1 ± ε) Â)] + vfCoef · E[(V − R)²] − entCoef · H.
 */
export function ppoLoss(
  inputs: PpoLossInputs,
  {
    clipRange,
    clipRangeVf,
    vfCoef,
    entCoef,
  }: Pick<PpoHyperParameters, 'clipRange' | 'clipRangeVf' | 'vfCoef' | 'entCoef'>,
): PpoLossTerms {
  const { logRatios, acted, values, oldValues, returns, entropy } = inputs;
  const advantages = tf.expandDims(inputs.advantages, 1);
  const nActed = tf.sum(acted);
  const overActed = (each: tf.Tensor): tf.Scalar => tf.div(tf.sum(tf.mul(each, acted)), nActed);

  const ratios = tf.exp(logRatios);
  const clipped = tf.clipByValue(ratios, 1 - clipRange, 1 + clipRange);
  const policyLoss: tf.Scalar = tf.neg(
    overActed(tf.minimum(tf.mul(ratios, advantages), tf.mul(clipped, advantages))),
  );
  const predicted =
    clipRangeVf === null
      ? values
      : tf.add(oldValues, tf.clipByValue(tf.sub(values, oldValues), -clipRangeVf, clipRangeVf));
  const valueLoss: tf.Scalar = tf.mean(tf.square(tf.sub(predicted, returns)));
  const loss: tf.Scalar = tf.sub(tf.add(policyLoss, tf.mul(valueLoss, vfCoef)), tf.mul(entropy, entCoef));
  const approxKl = overActed(tf.sub(tf.sub(ratios, 1), logRatios));
  const isClipped = tf.cast(tf.greater(tf.abs(tf.sub(ratios, 1)), clipRange), 'float32');
  return { loss, policyLoss, valueLoss, approxKl, clipFraction: overActed(isClipped) };
}
