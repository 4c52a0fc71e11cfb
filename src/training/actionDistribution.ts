import * as tf from '@tensorflow/tfjs-core';

/** What the networks say about n decisions with M members. */
export interface ActionParameters {
  /** Mean of the change u of each member's weight; [n, M]. */
  readonly means: tf.Tensor2D;
  /** Of the probability that the text ends before this step; [n]. */
  readonly stopLogits: tf.Tensor1D;
  /** ln σ of u; a scalar. */
  readonly logSigma: tf.Scalar;
}

/** What was done. */
export interface Actions {
  /** u as it was drawn, before clamping; [n, M]. */
  readonly changes: tf.Tensor2D;
  /** 1 where the text was ended; [n]. */
  readonly stops: tf.Tensor1D;
}

/** Which agents acted: 1 or 0. */
export interface Acted {
  /** Whether u mattered: the member takes part and a step followed; [n, M]. */
  readonly changed: tf.Tensor2D;
  /** Whether it was asked to stop; [n]. */
  readonly asked: tf.Tensor1D;
}

/** Where σ may be: the same limits as where actions are drawn. */
const logSigmaRange = { least: -3, most: 0.5 } as const;

const halfLogTwoPi = 0.5 * Math.log(2 * Math.PI);

/** ln p of each agent's action, [n, M + 1]: M members, u ~ N(mean, σ²), then the stop, Bernoulli(sigmoid(logit)). */
export function agentLogProbabilities(parameters: ActionParameters, actions: Actions): tf.Tensor2D {
  const { means, stopLogits } = parameters;
  const logSigma = clampedLogSigma(parameters);
  const z = tf.div(tf.sub(actions.changes, means), tf.exp(logSigma));
  const changes: tf.Tensor2D = tf.sub(tf.sub(tf.mul(tf.square(z), -0.5), logSigma), halfLogTwoPi);
  // ln p = stop · x − softplus(x)
  const stops = tf.sub(tf.mul(actions.stops, stopLogits), tf.softplus(stopLogits));
  return tf.concat([changes, tf.expandDims<tf.Tensor2D>(stops, 1)], 1);
}

/** The mean entropy of a decision, in nats. */
export function meanEntropy(parameters: ActionParameters, { changed, asked }: Acted): tf.Scalar {
  const { stopLogits } = parameters;
  const perChange = tf.add(clampedLogSigma(parameters), 0.5 + halfLogTwoPi);
  // H(sigmoid(x)) = softplus(x) − x sigmoid(x)
  const perStop = tf.sub(tf.softplus(stopLogits), tf.mul(stopLogits, tf.sigmoid(stopLogits)));
  const total = tf.add(tf.mul(tf.sum(changed), perChange), tf.sum(tf.mul(perStop, asked)));
  return tf.div(total, stopLogits.shape[0]);
}

function clampedLogSigma({ logSigma }: ActionParameters): tf.Scalar {
  return tf.clipByValue(logSigma, logSigmaRange.least, logSigmaRange.most);
}
