import * as tf from '@tensorflow/tfjs-core';
import type { DenseLayer } from '../config/policyFile.ts';

/** A dense layer as it is trained. */
export interface TrainableLayer {
  readonly kernel: tf.Variable<tf.Rank.R2>;
  readonly bias: tf.Variable<tf.Rank.R1>;
}

/** A layer that can be trained, from these weights. */
export function trainable({ inputs, outputs, weights, bias }: DenseLayer): TrainableLayer {
  return tf.tidy(() => ({
    kernel: tf.variable(tf.tensor2d(weights, [inputs, outputs])),
    bias: tf.variable(tf.tensor1d(bias)),
  }));
}

export function exported({ kernel, bias }: TrainableLayer): DenseLayer {
  const [inputs, outputs] = kernel.shape;
  // The backend may give its own memory.
  const [weights, biases] = [Float32Array.from(kernel.dataSync()), Float32Array.from(bias.dataSync())];
  return { inputs, outputs, weights, bias: biases };
}

export function apply({ kernel, bias }: TrainableLayer, x: tf.Tensor2D): tf.Tensor2D {
  return tf.add(tf.matMul(x, kernel), bias);
}

/** Hidden layers, each followed by tanh. */
export function applyHidden(layers: readonly TrainableLayer[], x: tf.Tensor2D): tf.Tensor2D {
  return layers.reduce((h, layer) => tanh(apply(layer, h)), x);
}

/** tanh x = 2 σ(2x) − 1, within 1e-7. The WASM backend has a fast σ, and a tanh that takes six times as long. */
function tanh(x: tf.Tensor2D): tf.Tensor2D {
  return tf.sub(tf.mul(tf.sigmoid(tf.mul(x, 2)), 2), 1);
}
