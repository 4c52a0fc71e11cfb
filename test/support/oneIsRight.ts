import { toyCursor } from './toyCursor.ts';
import type { ToyModel } from './toyStream.ts';

/**
 * One member is always right, though it gives the truth only a quarter and the rest to symbols all over; the other is
 * sure of what is never right. Only who has nine tenths of the weight is sure to write the truth. The right one is `ngram`.
 */
export const oneIsRight = ['a + b', 'get(it)'].map((target) =>
  toyCursor({ target, models: { neural: () => ({ z: 0.9, '~': 0.1 }), ngram: hints(target) } }),
);

function hints(text: string): ToyModel {
  const others = [...'ABCDEFGHIJKLMNOPQRSTUVWXYZ!#%&*-/:;<>?@[]^_|~'];
  return (soFar) => {
    const next = text.startsWith(soFar) ? (text[soFar.length] ?? 'END') : 'END';
    return { ...Object.fromEntries(others.map((other) => [other, 0.75 / others.length])), [next]: 0.25 };
  };
}
