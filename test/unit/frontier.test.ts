import { describe, expect, test } from 'vitest';
import { createCombiner } from '../../src/decoding/combiner.ts';
import { REQUIRED } from '../../src/lm/neural/decoder.ts';
import { Frontier, type FrontierOptions } from '../../src/lm/neural/frontier.ts';
import { RowPool } from '../../src/lm/neural/rowPool.ts';
import { SortedVocabulary } from '../../src/lm/neural/sortedVocabulary.ts';
import { CacheReader, TokenBatch } from '../../src/lm/neural/tokenReader.ts';
import { ROOT } from '../../src/lm/neural/tokenTree.ts';
import { END, SYMBOLS } from '../../src/lm/symbols.ts';
import { seededRandom, toyCache, toyLogits } from '../support/toyDecoder.ts';

const START = 0;
const exact: FrontierOptions = { hypotheses: Number.POSITIVE_INFINITY, threshold: 0 };
const shipped: FrontierOptions = { hypotheses: 4, threshold: 0.1 };

/** Token 0 starts a text and ends it. */
function vocabularyOf(texts: readonly string[]): SortedVocabulary {
  return new SortedVocabulary([null, ...texts.map((text) => Buffer.from(text, 'latin1'))], [START]);
}

/** All single characters of the alphabet and random longer tokens. */
function randomTexts(seed: number, alphabet: string, nLonger: number): string[] {
  const random = seededRandom(seed);
  const texts = new Set(alphabet);
  while (texts.size < alphabet.length + nLonger) {
    const length = 2 + Math.floor(3 * random());
    texts.add(Array.from({ length }, () => alphabet[Math.floor(alphabet.length * random())]).join(''));
  }
  return [...texts];
}

async function frontierOf(
  vocabulary: SortedVocabulary,
  seed: number,
  options: FrontierOptions,
  range?: number,
) {
  const cache = toyCache(vocabulary.size + 1, seed, range);
  const reader = new CacheReader(cache, vocabulary, new RowPool(vocabulary, 1));
  const batch = new TokenBatch();
  batch.add(ROOT, START, REQUIRED);
  reader.read(batch);
  const frontier = new Frontier(reader, options);
  frontier.start(batch.nodes[0]);
  return { frontier, reader, cache, start: batch.nodes[0] };
}

/** P(the model's text starts with `text`): the sum over all strings of tokens whose last may run past the end. */
function prefixProbability(texts: readonly string[], seed: number, text: string): number {
  const inner = (path: number[], rest: string): number => {
    if (rest === '') return 1;
    const p = softmax(toyLogits(path, texts.length + 1, seed));
    let sum = 0;
    for (const [i, token] of texts.entries()) {
      if (token.startsWith(rest)) sum += p[i + 1];
      else if (rest.startsWith(token)) sum += p[i + 1] * inner([...path, i + 1], rest.slice(token.length));
    }
    return sum;
  };
  return inner([START], text);
}

/** P(the model's text is exactly `text`). */
function wholeProbability(texts: readonly string[], seed: number, text: string): number {
  const inner = (path: number[], rest: string): number => {
    const p = softmax(toyLogits(path, texts.length + 1, seed));
    let sum = rest === '' ? p[START] : 0;
    for (const [i, token] of texts.entries()) {
      if (rest !== '' && rest.startsWith(token)) {
        sum += p[i + 1] * inner([...path, i + 1], rest.slice(token.length));
      }
    }
    return sum;
  };
  return inner([START], text);
}

function softmax(logits: Float32Array): number[] {
  const powers = Array.from(logits, Math.exp);
  const total = powers.reduce((a, b) => a + b);
  return powers.map((x) => x / total);
}

function strings(alphabet: string, length: number): string[] {
  if (length === 0) return [''];
  return strings(alphabet, length - 1).flatMap((text) => [...alphabet].map((character) => text + character));
}

describe('without pruning the frontier is exact', () => {
  const check = async (texts: readonly string[], alphabet: string, length: number, seed: number) => {
    const vocabulary = vocabularyOf(texts);
    let worst = 0;
    for (const text of strings(alphabet, length)) {
      const { frontier } = await frontierOf(vocabulary, seed, exact);
      let probability = 1;
      for (let i = 0; i < text.length; i++) {
        const ends = wholeProbability(texts, seed, text.slice(0, i));
        worst = Math.max(worst, Math.abs(probability * frontier.distribution[END] - ends));
        probability *= frontier.distribution[text.charCodeAt(i)];
        worst = Math.max(worst, Math.abs(probability - prefixProbability(texts, seed, text.slice(0, i + 1))));
        frontier.advance(text.charCodeAt(i));
      }
    }
    expect(worst).toBeLessThan(1e-9);
  };

  test('on a vocabulary with nested and overlapping tokens', () =>
    check(['a', 'b', 'c', 'ab', 'abc', 'bc', 'ca', 'aa', 'cab', 'aaaa'], 'abc', 5, 1));
  test.each([2, 3, 4])('on random vocabularies of 30 tokens (seed %i)', (seed) =>
    check(randomTexts(seed, 'abc', 27), 'abc', 5, seed),
  );
  test('on two symbols and long strings', () => check(randomTexts(7, 'ab', 12), 'ab', 7, 7));
});

describe('members that share a tokenizer', () => {
  const texts = ['a', 'b', 'ab', 'ba', 'aba', 'bb', 'aab'];
  const seeds = [3, 4, 5];
  const weights = [0.5, 0.3, 0.2];

  /** P(the mixture's text is exactly `text`), mixed token by token: wᵢ ← wᵢ pᵢ(token) / p(token). */
  function mixedByToken(text: string): number {
    const inner = (path: number[], rest: string, posterior: readonly number[]): number => {
      const rows = seeds.map((seed) => softmax(toyLogits(path, texts.length + 1, seed)));
      const take = (token: number): [number, number[]] => {
        const parts = posterior.map((weight, i) => weight * rows[i][token]);
        const p = parts.reduce((a, b) => a + b);
        return [p, parts.map((part) => part / p)];
      };
      if (rest === '') return take(START)[0];
      let sum = 0;
      for (const [i, token] of texts.entries()) {
        if (!rest.startsWith(token)) continue;
        const [p, after] = take(i + 1);
        sum += p * inner([...path, i + 1], rest.slice(token.length), after);
      }
      return sum;
    };
    return inner([START], text, weights);
  }

  async function mixedByByte(text: string): Promise<number> {
    const vocabulary = vocabularyOf(texts);
    const members = await Promise.all(seeds.map((seed) => frontierOf(vocabulary, seed, exact)));
    const distributions = members.map(({ frontier }) => frontier.distribution);
    const combiner = createCombiner('linear', seeds.length);
    combiner.begin(Float64Array.from(weights));
    const mixture = new Float64Array(SYMBOLS);
    let probability = 1;
    for (const byte of Buffer.from(text)) {
      combiner.combine(distributions, mixture);
      probability *= mixture[byte];
      combiner.observe(distributions, byte);
      for (const { frontier } of members) frontier.advance(byte);
    }
    combiner.combine(distributions, mixture);
    return probability * mixture[END];
  }

  test('mixed byte by byte, a text is as probable as mixed token by token', async () => {
    for (let length = 0; length <= 6; length++) {
      for (const text of strings('ab', length)) {
        expect(Math.abs((await mixedByByte(text)) - mixedByToken(text))).toBeLessThan(1e-9);
      }
    }
  });
});

describe('with the shipped K and threshold', () => {
  const texts = randomTexts(11, 'abcd', 40);
  const vocabulary = vocabularyOf(texts);
  const random = seededRandom(5);
  const text = Array.from({ length: 200 }, () => 'abcd'[Math.floor(4 * random())]).join('');

  test('every distribution sums to 1 and excludes no symbol, whatever the text', async () => {
    const { frontier } = await frontierOf(vocabulary, 5, shipped, 12);
    for (const character of `${text}\0\xffzz${text}`) {
      frontier.advance(character.charCodeAt(0));
      const sum = frontier.distribution.reduce((a, b) => a + b);
      expect(Math.abs(sum - 1)).toBeLessThan(1e-9);
      expect(Math.min(...frontier.distribution)).toBeGreaterThan(0);
    }
  });

  test('it follows at most K tokenisations and stays near the exact distribution', async () => {
    const near = await frontierOf(vocabulary, 5, shipped);
    const far = await frontierOf(vocabulary, 5, exact);
    let distance = 0;
    for (const character of text.slice(0, 12)) {
      near.frontier.advance(character.charCodeAt(0));
      far.frontier.advance(character.charCodeAt(0));
      expect(near.frontier.nHypotheses).toBeLessThanOrEqual(4);
      for (let i = 0; i < 257; i++) {
        distance += Math.abs(near.frontier.distribution[i] - far.frontier.distribution[i]) / 2 / 12;
      }
    }
    // Nearly flat logits are the worst case: real models put most of the mass on few tokenisations.
    expect(distance).toBeLessThan(0.35);
    expect(near.cache.nRead).toBeLessThan(far.cache.nRead / 4);
  });

  test('a copy goes on as the original does', async () => {
    const { frontier, reader } = await frontierOf(vocabulary, 6, shipped, 8);
    for (const character of text.slice(0, 60)) frontier.advance(character.charCodeAt(0));
    const copy = new Frontier(reader, shipped);
    copy.copyFrom(frontier);
    const seen: number[][] = [];
    for (const character of text.slice(60, 120)) {
      frontier.advance(character.charCodeAt(0));
      seen.push([...frontier.distribution]);
    }
    for (const [i, character] of [...text.slice(60, 120)].entries()) {
      copy.advance(character.charCodeAt(0));
      expect([...copy.distribution]).toEqual(seen[i]);
    }
  });

  test('it lets go of every node it does not need', async () => {
    const { frontier, reader, cache, start } = await frontierOf(vocabulary, 6, shipped, 8);
    for (const character of text) frontier.advance(character.charCodeAt(0));
    expect(cache.tree.nLive).toBeGreaterThan(1);
    frontier.clear();
    reader.release(start);
    const another = new TokenBatch();
    another.add(ROOT, 1, REQUIRED);
    reader.read(another);
    expect(cache.tree.nLive).toBe(1);
  });

  test('most bytes need no forward pass', async () => {
    const { frontier, reader } = await frontierOf(vocabulary, 9, shipped, 12);
    let nFree = 0;
    for (const character of text) {
      const before = reader.forwardPasses;
      frontier.advance(character.charCodeAt(0));
      if (reader.forwardPasses === before) nFree++;
    }
    expect(nFree).toBeGreaterThan(0);
  });
});

test('a byte can be taken in two parts, the second with a forward pass; a frontier that waits for it can let go of all', async () => {
  let nWaiting = 0;
  for (let seed = 1; seed < 20; seed++) {
    const random = seededRandom(seed);
    // Where a single character is no token, a hypothesis may have nothing to go on with.
    const texts = randomTexts(seed, 'abc', 25).filter((text) => seed % 2 === 0 || text !== 'b');
    const vocabulary = vocabularyOf(texts);
    const { frontier, reader, cache, start } = await frontierOf(vocabulary, seed, shipped, 8);
    const [scout, plain] = [new Frontier(reader, shipped), new Frontier(reader, shipped)];
    for (let i = 0; i < 40; i++) {
      scout.copyFrom(frontier);
      for (let k = 0; k < 6; k++) {
        const byte = 97 + Math.floor(random() * 3);
        plain.copyFrom(scout);
        if (!scout.tryAdvance(byte)) {
          nWaiting++;
          if (random() < 0.4) break;
          scout.readOn();
        }
        plain.advance(byte);
        expect(scout.distribution).toEqual(plain.distribution);
      }
      frontier.advance(97 + Math.floor(random() * 3));
    }
    for (const each of [frontier, scout, plain]) each.clear();
    reader.release(start);
    const another = new TokenBatch();
    another.add(ROOT, 1, REQUIRED);
    reader.read(another);
    expect(cache.tree.nLive).toBe(1);
  }
  expect(nWaiting).toBeGreaterThan(500);
});
