import * as tf from '@tensorflow/tfjs-core';
import type { ActorCritic } from './actorCritic.ts';
import { minibatches } from './decisions.ts';
import type { GateHyperParameters } from './hyperParameters.ts';
import { Optimiser } from './optimiser.ts';

/** True text, cut into rows that can be scored one by one. */
export interface ScoredText {
  readonly nRows: number;
  /** Symbols of the text, the ends of the lines included. */
  readonly nSymbols: number;
  /** ln p of these rows under the networks' mean actions; the sum over all rows is the text's. To be called inside tf.tidy. */
  logProbabilities(networks: ActorCritic, rows: readonly number[]): tf.Tensor1D;
}

export interface GateTraining {
  readonly networks: ActorCritic;
  readonly train: ScoredText;
  /** Says when to stop. */
  readonly heldOut: ScoredText;
  readonly hyperParameters: GateHyperParameters;
  readonly random: () => number;
  /** After each pass; training ends where it gives false. */
  readonly onEpoch?: (epoch: GateEpoch) => boolean | Promise<boolean>;
}

export interface GateEpoch {
  /** From 0: before the first. */
  readonly epoch: number;
  /** −log₂ p per symbol; of the training text the mean during the pass. */
  readonly trainBits: number;
  readonly heldOutBits: number;
}

/**
 * The supervised gate: the actor's mean weights under the log-loss of true text, by AdamW, until the held-out loss has not
 * fallen for `patience` passes. Leaves the networks as they were at their best. Gives the passes.
 */
export async function trainGate(training: GateTraining): Promise<readonly GateEpoch[]> {
  const { networks, train, heldOut, hyperParameters, random, onEpoch = () => true } = training;
  const variables = networks.meanVariables;
  const optimiser = new Optimiser(variables, hyperParameters);
  const epochs: GateEpoch[] = [
    { epoch: 0, trainBits: bitsPerSymbol(networks, train), heldOutBits: bitsPerSymbol(networks, heldOut) },
  ];
  let best = { bits: epochs[0].heldOutBits, epoch: 0, values: copies(variables) };
  let goesOn = await onEpoch(epochs[0]);
  for (let epoch = 1; goesOn && epoch <= hyperParameters.nEpochs; epoch++) {
    let total = 0;
    for (const rows of minibatches(train.nRows, hyperParameters.batchSize, random)) {
      const mean = () => tf.neg<tf.Scalar>(tf.mean(train.logProbabilities(networks, rows)));
      total += optimiser.minimise(mean).loss * rows.length;
    }
    const trainBits = total / Math.LN2 / train.nSymbols;
    epochs.push({ epoch, trainBits, heldOutBits: bitsPerSymbol(networks, heldOut) });
    goesOn = await onEpoch(epochs[epoch]);
    if (epochs[epoch].heldOutBits < best.bits) {
      tf.dispose(best.values);
      best = { bits: epochs[epoch].heldOutBits, epoch, values: copies(variables) };
    } else if (epoch - best.epoch >= hyperParameters.patience) break;
  }
  for (const [i, variable] of variables.entries()) variable.assign(best.values[i]);
  tf.dispose(best.values);
  optimiser.dispose();
  return epochs;
}

const evaluationBatch = 1024;

/** −log₂ p of a text per symbol. */
export function bitsPerSymbol(networks: ActorCritic, text: ScoredText): number {
  let total = 0;
  for (let start = 0; start < text.nRows; start += evaluationBatch) {
    const nRows = Math.min(evaluationBatch, text.nRows - start);
    const rows = Array.from({ length: nRows }, (_, i) => start + i);
    total += tf.tidy(() => tf.sum(text.logProbabilities(networks, rows)).dataSync()[0]);
  }
  return -total / Math.LN2 / text.nSymbols;
}

function copies(variables: readonly tf.Variable[]): tf.Tensor[] {
  return variables.map((variable) => tf.clone(variable));
}
