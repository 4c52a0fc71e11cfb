import * as tf from '@tensorflow/tfjs-core';

export interface OptimiserOptions {
  readonly learningRate: number;
  readonly adamEpsilon: number;
  readonly maxGradNorm: number;
  /** Decoupled (Loshchilov & Hutter 2019): w ← w − learningRate · weightDecay · w, before the step. 0 by default. */
  readonly weightDecay?: number;
}

/** The numbers that Adam carries from step to step. */
export interface OptimiserState {
  readonly weights: readonly {
    readonly name: string;
    readonly shape: number[];
    readonly values: Float32Array;
  }[];
}

/** Adam (Kingma & Ba 2015) behind a limit of the gradient's global norm. */
export class Optimiser {
  readonly #adam: tf.AdamOptimizer;
  readonly #variables: readonly tf.Variable[];
  readonly #options: OptimiserOptions;

  constructor(variables: readonly tf.Variable[], options: OptimiserOptions) {
    this.#variables = variables;
    this.#options = options;
    this.#adam = tf.train.adam(options.learningRate, 0.9, 0.999, options.adamEpsilon);
  }

  /** One step down the gradient of what `loss` gives; gives the loss, and the gradient's norm before the limit. */
  minimise(loss: () => tf.Scalar): { loss: number; gradNorm: number } {
    const { learningRate, maxGradNorm, weightDecay = 0 } = this.#options;
    return tf.tidy(() => {
      const { value, grads } = tf.variableGrads(loss, [...this.#variables]);
      const squares = Object.values(grads).map((gradient) => tf.sum(tf.square(gradient)));
      const norm = tf.sqrt(tf.addN(squares));
      const scale = tf.minimum(1, tf.div(maxGradNorm, tf.add(norm, 1e-6)));
      const limited = Object.fromEntries(
        Object.entries(grads).map(([name, gradient]) => [name, tf.mul(gradient, scale)]),
      );
      if (weightDecay > 0) {
        for (const variable of this.#variables)
          variable.assign(tf.mul(variable, 1 - learningRate * weightDecay));
      }
      this.#adam.applyGradients(limited);
      return { loss: value.dataSync()[0], gradNorm: norm.dataSync()[0] };
    });
  }

  async state(): Promise<OptimiserState> {
    const weights = await this.#adam.getWeights();
    return {
      weights: weights.map(({ name, tensor }) => ({
        name,
        shape: tensor.shape,
        values: Float32Array.from(tensor.dataSync()),
      })),
    };
  }

  /** Goes on from a state that an optimiser of the same variables gave. */
  async restore({ weights }: OptimiserState): Promise<void> {
    await this.#adam.setWeights(
      weights.map(({ name, shape, values }) => ({
        name,
        tensor: tf.tensor(values, shape, name === 'iter' ? 'int32' : 'float32'),
      })),
    );
  }

  dispose(): void {
    this.#adam.dispose();
  }
}
