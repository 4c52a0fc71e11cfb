import { BOUNDARY_SHARE, EVIDENCE } from '../../src/lm/evidence.ts';
import type { MemberStream } from '../../src/lm/member.ts';
import { END, SYMBOLS } from '../../src/lm/symbols.ts';

/** Weights of what may come next after a text: characters (ASCII) or `END`; anything else gets a little. */
export type ToyModel = (text: string) => Readonly<Record<string, number>>;

/** What a rule has said of a text it says again. */
const answersOf = new WeakMap<ToyModel, Map<string, Float64Array>>();

/** A member that follows a rule instead of a network. `slow` makes every answer a promise. */
export function toyStream(
  model: ToyModel,
  options: { slow?: boolean; recent?: readonly number[] } = {},
): MemberStream {
  const distribution = new Float64Array(SYMBOLS);
  const evidence = new Float64Array(EVIDENCE);
  const bytes: number[] = [];
  const answers = answersOf.get(model) ?? new Map<string, Float64Array>();
  answersOf.set(model, answers);
  const read = () => {
    distribution.fill(1e-7);
    evidence[BOUNDARY_SHARE] = 1 / (1 + bytes.length);
    const text = new TextDecoder().decode(Uint8Array.from(bytes));
    const known = answers.get(text);
    if (known) return void distribution.set(known);
    const weights = model(text);
    for (const [key, weight] of Object.entries(weights)) {
      distribution[key === 'END' ? END : key.charCodeAt(0)] += weight;
    }
    const sum = distribution.reduce((total, p) => total + p, 0);
    for (let b = 0; b < SYMBOLS; b++) distribution[b] /= sum;
    answers.set(text, distribution.slice());
  };
  read();
  return {
    distribution,
    evidence,
    recentLogProbabilities: Float64Array.from(options.recent ?? []),
    forwardPasses: 0,
    advance(byte) {
      bytes.push(byte);
      read();
      return options.slow ? Promise.resolve() : undefined;
    },
    release() {},
  };
}

/** A member sure of one text: each of its characters gets `confidence`, then END. */
export function says(text: string, confidence = 0.9): ToyModel {
  return (soFar) => {
    const next = text.startsWith(soFar) ? (text[soFar.length] ?? 'END') : 'END';
    return { '~': (1 - confidence) / 2, '^': (1 - confidence) / 2, [next]: confidence };
  };
}
