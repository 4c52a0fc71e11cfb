import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { cursorIn } from '../../src/lm/ngram/cursorIn.ts';
import { commonPrefix, commonSuffix } from '../../src/lm/ngram/difference.ts';
import { LowOrders } from '../../src/lm/ngram/lowOrders.ts';
import { BATCH, Postings } from '../../src/lm/ngram/postings.ts';
import { RecentScores } from '../../src/lm/ngram/recentScores.ts';
import { hashAt } from '../../src/lm/ngram/searchableText.ts';
import { seededRandom } from '../support/toyDecoder.ts';

const latin1 = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));

describe('postings', () => {
  /** Text of this many symbols: few for long lists, many for lists of one. */
  function check(name: string, nSymbols: number, bytesPerPosition: number): void {
    test(`recall the newest positions of each context, ${name}`, () => {
      const length = 60_000;
      const random = seededRandom(nSymbols);
      const text = Uint8Array.from({ length }, () => 65 + Math.floor(random() * nSymbols));
      const postings = new Postings();
      const expected = new Map<number, number[]>();
      const hashes = new Int32Array(BATCH);
      const positions = new Int32Array(BATCH);
      for (let at = 5; at < length; ) {
        let count = 0;
        for (; count < BATCH && at < length; count++, at++) {
          positions[count] = at;
          hashes[count] = hashAt(text, at);
          expected.set(hashes[count], [at, ...(expected.get(hashes[count]) ?? []).slice(0, 62)]);
        }
        postings.insert(text, hashes, positions, count);
      }
      const found = new Int32Array(63);
      const wrong = [...expected].filter(([hash, newest]) => {
        // Contexts that share a bucket may push each other out while the list is full.
        const recalled = found.subarray(0, postings.recall(hash, found));
        const own = [...recalled].filter((at) => hashAt(text, at) === hash);
        return own.some((at, i) => at !== newest[i]) || (nSymbols > 3 && own.length < newest.length);
      });
      expect(wrong).toEqual([]);
      expect(postings.memoryBytes / length).toBeLessThan(bytesPerPosition);
    });
  }
  check('with long lists', 3, 7);
  check('with short lists', 6, 9);
  check('with lists of one', 60, 10);
});

describe('counts of short contexts', () => {
  const texts = fc.array(fc.string({ unit: fc.constantFrom('a', 'b', '(', ' '), maxLength: 60 }), {
    maxLength: 8,
  });

  test('are the same after texts were added and removed, in any order', () => {
    fc.assert(
      fc.property(texts, texts, (kept, gone) => {
        const changed = new LowOrders();
        for (const text of gone) changed.add(latin1(text), 0, text.length);
        for (const text of kept) changed.add(latin1(text), 0, text.length);
        for (const text of gone) changed.remove(latin1(text), 0, text.length);
        const fresh = new LowOrders();
        for (const text of kept.toReversed()) fresh.add(latin1(text), 0, text.length);
        for (const context of ['', 'a', 'b(', ' ab', ...kept]) {
          expect(read(changed, context)).toEqual(read(fresh, context));
        }
      }),
      { seed: 2, numRuns: 200 },
    );
  });

  test('without an occurrence are those of a text that lacks it', () => {
    fc.assert(
      fc.property(
        texts,
        fc.string({ unit: fc.constantFrom('a', 'b'), minLength: 5, maxLength: 5 }),
        (others, context) => {
          const all = new LowOrders();
          const less = new LowOrders();
          for (const text of others) for (const table of [all, less]) table.add(latin1(text), 0, text.length);
          const own = latin1(`${context}a`);
          all.add(own, 0, 6);
          less.add(own, 0, 5);
          expect(read(all, context, 97)).toEqual(read(less, context));
        },
      ),
      { seed: 2, numRuns: 200 },
    );
  });

  /** Each order's total, number of successors and counts, longest first. */
  function read(table: LowOrders, context: string, without = -1) {
    const levels = [];
    for (let order = table.find(latin1(context), context.length, without) - 1; order >= 0; order--) {
      if (!table.measure(order)) continue;
      const counts = new Float64Array(256);
      table.spread(order, 1, counts);
      levels.push({
        total: table.totals[order],
        distinct: Math.min(4, table.distinct[order]),
        counts: [...counts],
      });
    }
    return levels;
  }
});

test('differences are found at every place', () => {
  fc.assert(
    fc.property(fc.nat(9000), fc.nat(50), fc.nat(50), fc.nat(9000), (before, removed, added, after) => {
      const part = (length: number, value: number) => new Uint8Array(length).fill(value);
      const old = Buffer.concat([part(before, 1), part(removed, 2), part(after, 1)]);
      const edited = Buffer.concat([part(before, 1), part(added, 3), part(after, 1)]);
      const from = commonPrefix(old, edited);
      const kept = commonSuffix(old, edited, from);
      expect(from + kept).toBeLessThanOrEqual(Math.min(old.length, edited.length));
      expect(
        Buffer.concat([
          old.subarray(0, from),
          edited.subarray(from, edited.length - kept),
          old.subarray(old.length - kept),
        ]),
      ).toEqual(edited);
      if (removed > 0 && added > 0) expect([from, kept]).toEqual([before, after]);
    }),
    { seed: 1 },
  );
});

describe('a cursor', () => {
  function check(name: string, text: string, prefix: string, suffix: string, expected: number): void {
    test(name, () => expect(cursorIn(latin1(text), latin1(prefix), latin1(suffix))).toBe(expected));
  }
  check('at the start', 'abc', '', 'abc', 0);
  check('after the whole prefix', 'abcabc', 'abc', 'abc', 3);
  check('after a window, told by what follows', 'xabcyabcz', 'abc', 'z', 8);
  check('in a window on both sides', 'xabcyabczabcw', 'abc', 'z', 8);
  check('in a text that lacks the suffix', 'xabc', 'abc', 'zzz', 4);
  check('in a text that lacks the prefix', 'xabc', 'abd', '', -1);
  check('in an empty text', '', 'abd', '', -1);
});

describe('recent scores', () => {
  const random = seededRandom(1);
  const text = Uint8Array.from({ length: 400 }, () => Math.floor(256 * random()));
  /** How many bytes have to be scored when the text before the cursor goes through these lengths. */
  function check(name: string, ends: readonly number[], expected: readonly number[]): void {
    test(name, () => {
      const scores = new RecentScores();
      const fresh = ends.map((end) => {
        const tail = text.subarray(Math.max(0, end - 184), end);
        const count = scores.align('a', tail);
        for (let i = tail.length - count; i < tail.length; i++)
          scores.push(tail[i], -(end - tail.length + i));
        const last = scores.last(Math.min(120, end));
        expect([...last]).toEqual(Array.from(last, (_, i) => -(end - last.length + i)));
        return count;
      });
      expect(fresh).toEqual(expected);
    });
  }
  check('of a new place', [300], [184]);
  check('while typing', [300, 301, 302, 310], [184, 1, 1, 8]);
  check('from an empty text on', [0, 1, 2, 3, 200], [0, 1, 1, 1, 184]);
  check('while erasing', [300, 290, 280, 237], [184, 0, 0, 0]);
  check('after a step back and on', [300, 290, 295], [184, 0, 5]);
  check('far away', [300, 100], [184, 100]);
});
