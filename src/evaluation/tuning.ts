import { END, NEWLINE, SYMBOLS } from '../lm/symbols.ts';
import { StepStatistics } from '../policy/stepStatistics.ts';
import { type Outcome, sureEnough } from './contender.ts';
import type { CollectedCursor } from './pathStore.ts';
import { encodeText } from './targetIndex.ts';
import { simulatedReward } from './typist.ts';

/** What the members gave the steps of true text: ln p of a step under weights w is ln Σ wᵢ Aᵢ − ln Σ wᵢ aᵢ. */
export interface StepProbabilities {
  /** Per step and member: its probability of the step's symbols and then of any that does not go on with it. */
  readonly taken: Float64Array[];
  /** Per step and member: its mass, at the step's start, of the symbols that may begin a step there. */
  readonly possible: Float64Array[];
}

/**
 * The weights of the linear combiner that make true text most probable, constant over all steps. Each iteration sets
 * wᵢ ← wᵢ · Σ_t (A_ti / Σ_j w_j A_tj) ÷ Σ_t (a_ti / Σ_j w_j a_tj), the maximum of a lower bound that touches the
 * log-likelihood at w (expectation-maximisation, with the second term bounded by its tangent), so it never falls.
 */
export function fitWeights({ taken, possible }: StepProbabilities, nIterations = 200): Float64Array {
  const nMembers = taken[0].length;
  const weights = new Float64Array(nMembers).fill(1 / nMembers);
  for (let iteration = 0; iteration < nIterations; iteration++) {
    const gains = shares(taken, weights);
    const costs = shares(possible, weights);
    let sum = 0;
    for (let i = 0; i < nMembers; i++) sum += weights[i] *= gains[i] / costs[i];
    for (let i = 0; i < nMembers; i++) weights[i] /= sum;
  }
  return weights;
}

/** Σ_t x_ti / Σ_j w_j x_tj. */
function shares(rows: readonly Float64Array[], weights: Float64Array): Float64Array {
  const sums = new Float64Array(weights.length);
  for (const row of rows) {
    let total = 0;
    for (let i = 0; i < row.length; i++) total += weights[i] * row[i];
    for (let i = 0; i < row.length; i++) sums[i] += row[i] / total;
  }
  return sums;
}

/** The steps of the cursors' true texts. All cursors have the same members. */
export function stepStatistics(cursors: readonly CollectedCursor[]): StepProbabilities {
  const taken: Float64Array[] = [];
  const possible: Float64Array[] = [];
  for (const cursor of cursors) {
    const steps = new StepStatistics(cursor.members.length, ({ logStep, logStart }) => {
      taken.push(logStep.map(Math.exp));
      possible.push(logStart.map(Math.exp));
    });
    const target = encodeText(cursor.target);
    for (const [at, node] of cursor.truePath.entries()) {
      const distributions = cursor.members.map((_, i) =>
        Float64Array.from(folded(cursor.distribution(i, node))),
      );
      steps.observe(at < target.length ? target[at] : END, { distributions });
    }
  }
  return { taken, possible };
}

/** Bytes of true text with ln p of every symbol under each member. */
export interface SymbolStatistics {
  readonly symbols: number[];
  /** Per place and member: ln of the SYMBOLS probabilities. */
  readonly logs: Float32Array[][];
}

/** As in the geometric combiner. */
const probabilityFloor = 1e-6;
const maximumExponent = 2;

/** @param nSymbols the most places; they are taken evenly */
export function symbolStatistics(cursors: readonly CollectedCursor[], nSymbols = 8000): SymbolStatistics {
  const symbols: number[] = [];
  const logs: Float32Array[][] = [];
  const nAll = cursors.reduce((sum, { truePath }) => sum + truePath.length, 0);
  const every = Math.max(1, nAll / nSymbols);
  let seen = 0;
  let next = 0;
  for (const cursor of cursors) {
    const target = encodeText(cursor.target);
    for (const [at, node] of cursor.truePath.entries()) {
      if (seen++ < next) continue;
      next += every;
      symbols.push(at < target.length ? target[at] : END);
      logs.push(
        cursor.members.map((_, i) =>
          folded(cursor.distribution(i, node)).map((p) => Math.log(Math.max(probabilityFloor, p))),
        ),
      );
    }
  }
  return { symbols, logs };
}

/**
 * The constant exponents w of p(b) ∝ Π pᵢ(b)^wᵢ that make true text most probable, by Newton's method: the gradient is
 * Σ (ln pᵢ(symbol) − E_p ln pᵢ), the negative Hessian Σ Cov_p(ln pᵢ, ln pⱼ). The log-likelihood is concave.
 */
export function fitExponents({ symbols, logs }: SymbolStatistics, nIterations = 12): Float64Array {
  const nMembers = logs[0].length;
  const exponents = new Float64Array(nMembers).fill(Math.min(0.6, 1.5 / nMembers));
  const p = new Float64Array(SYMBOLS);
  for (let iteration = 0; iteration < nIterations; iteration++) {
    const gradient = new Float64Array(nMembers);
    const hessian = Array.from({ length: nMembers }, () => new Float64Array(nMembers));
    for (const [t, rows] of logs.entries()) {
      combine(rows, exponents, p);
      const means = rows.map((row) => row.reduce((sum, log, b) => sum + p[b] * log, 0));
      for (let i = 0; i < nMembers; i++) {
        gradient[i] += rows[i][symbols[t]] - means[i];
        for (let j = 0; j <= i; j++) {
          let product = 0;
          for (let b = 0; b < SYMBOLS; b++) product += p[b] * rows[i][b] * rows[j][b];
          hessian[i][j] += product - means[i] * means[j];
          hessian[j][i] = hessian[i][j];
        }
      }
    }
    const step = solve(hessian, gradient);
    for (let i = 0; i < nMembers; i++) {
      exponents[i] = Math.min(maximumExponent, Math.max(0, exponents[i] + step[i]));
    }
  }
  return exponents;
}

function combine(rows: readonly Float32Array[], exponents: Float64Array, out: Float64Array): void {
  let sum = 0;
  for (let b = 0; b < SYMBOLS; b++) {
    let log = 0;
    for (let i = 0; i < rows.length; i++) log += exponents[i] * rows[i][b];
    sum += out[b] = Math.exp(log);
  }
  for (let b = 0; b < SYMBOLS; b++) out[b] /= sum;
}

/** x of a · x = b for a positive definite a, by elimination; a little is added to the diagonal. */
function solve(a: readonly Float64Array[], b: Float64Array): Float64Array {
  const n = b.length;
  const rows = a.map((row, i) => Float64Array.from([...row, b[i]]));
  for (let i = 0; i < n; i++) rows[i][i] += 1e-6;
  for (let i = 0; i < n; i++) {
    for (let k = i + 1; k < n; k++) {
      const factor = rows[k][i] / rows[i][i];
      for (let j = i; j <= n; j++) rows[k][j] -= factor * rows[i][j];
    }
  }
  const x = new Float64Array(n);
  for (let i = n - 1; i >= 0; i--) {
    let rest = rows[i][n];
    for (let j = i + 1; j < n; j++) rest -= rows[i][j] * x[j];
    x[i] = rest / rows[i][i];
  }
  return x;
}

/** Thresholds that are tried: the probability of the whole text below which nothing more is shown. */
const thresholds = [0, 0.005, 0.01, 0.02, 0.03, 0.05, 0.07, 0.1, 0.14, 0.2, 0.28, 0.4, 0.55, 0.7, 0.85];

/** The one with the highest simulated reward on these completions. */
export function fitThreshold(
  lines: readonly Pick<Outcome & { target: string }, 'steps' | 'target'>[],
): number {
  const rewards = thresholds.map((threshold) =>
    lines.reduce((sum, { steps, target }) => sum + simulatedReward(sureEnough(steps, threshold), target), 0),
  );
  return thresholds[rewards.indexOf(Math.max(...rewards))];
}

function folded(distribution: Float32Array): Float32Array {
  const copy = distribution.slice();
  copy[END] += copy[NEWLINE] + copy[CARRIAGE_RETURN];
  copy[NEWLINE] = 0;
  copy[CARRIAGE_RETURN] = 0;
  return copy;
}

const CARRIAGE_RETURN = 13;
