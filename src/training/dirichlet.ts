import * as tf from '@tensorflow/tfjs-core';

/**
 * ln Γ(x) for x > 0: ln Γ(x) = ln Γ(x + 6) − Σ_{k<6} ln(x + k), and Stirling's series for x + 6 (Abramowitz & Stegun 1964,
 * 6.1.15 and 6.1.41), whose first left-out term is under 1e-8. Made of differentiable operations, so that its gradient
 * is the digamma function.
 */
export function lgamma(x: tf.Tensor): tf.Tensor {
  // The product of the six shifts stays in float32's range up to x = 1e6.
  let product = x;
  for (let k = 1; k < shift; k++) product = tf.mul(product, tf.add(x, k));
  const z = tf.add(x, shift);
  const inverse = tf.div(1, z);
  const square = tf.square(inverse);
  const tail = tf.mul(inverse, tf.add(1 / 12, tf.mul(square, tf.add(-1 / 360, tf.mul(square, 1 / 1260)))));
  const stirling = tf.add(tf.sub(tf.mul(tf.sub(z, 0.5), tf.log(z)), z), halfLogTwoPi);
  return tf.sub(tf.add(stirling, tail), tf.log(product));
}

const shift = 6;
const halfLogTwoPi = 0.5 * Math.log(2 * Math.PI);

/**
 * ln p of weights on the simplex under Dirichlet(α): ln Γ(Σα) − Σ ln Γ(αᵢ) + Σ (αᵢ − 1) ln wᵢ; [n].
 *
 * @param concentrations α > 0; [n, M]
 * @param logWeights ln w; [n, M]
 * @param present 1 where a member takes part, 0 where it has no dimension; [n, M]
 */
export function dirichletLogProbability(
  concentrations: tf.Tensor2D,
  logWeights: tf.Tensor2D,
  present: tf.Tensor2D,
): tf.Tensor1D {
  const overPresent = (each: tf.Tensor): tf.Tensor1D => tf.sum(tf.mul(each, present), 1);
  const normaliser = tf.sub(lgamma(overPresent(concentrations)), overPresent(lgamma(concentrations)));
  return tf.add(normaliser, overPresent(tf.mul(tf.sub(concentrations, 1), logWeights)));
}

/** The entropy of Dirichlet(α), −E[ln p] with E[ln wᵢ] = ψ(αᵢ) − ψ(Σα); [n]. */
export function dirichletEntropy(concentrations: tf.Tensor2D, present: tf.Tensor2D): tf.Tensor1D {
  const total = tf.sum(tf.mul(concentrations, present), 1, true);
  const logMeans: tf.Tensor2D = tf.sub(digamma(concentrations), digamma(total));
  return tf.neg(dirichletLogProbability(concentrations, logMeans, present));
}

/** ψ(x) = d ln Γ / dx: the asymptotic series after six shifts (Abramowitz & Stegun 1964, 6.3.5 and 6.3.18). */
export function digamma(x: tf.Tensor): tf.Tensor {
  let shifts = tf.div(1, x);
  for (let k = 1; k < shift; k++) shifts = tf.add(shifts, tf.div(1, tf.add(x, k)));
  const z = tf.add(x, shift);
  const square = tf.square(tf.div(1, z));
  const tail = tf.mul(square, tf.add(1 / 12, tf.mul(square, tf.add(-1 / 120, tf.mul(square, 1 / 252)))));
  return tf.sub(tf.sub(tf.sub(tf.log(z), tf.div(0.5, z)), tail), shifts);
}
