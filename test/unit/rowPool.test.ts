import { expect, test } from 'vitest';
import { RowPool } from '../../src/lm/neural/rowPool.ts';
import { SortedVocabulary } from '../../src/lm/neural/sortedVocabulary.ts';

const vocabulary = new SortedVocabulary([Buffer.from('a'), Buffer.from('b')], []);

/** A cache's reader, with the nodes whose rows are needed. */
class Owner {
  readonly needed = new Set<number>();
  readonly dropped: number[] = [];

  needsRow(node: number): boolean {
    return this.needed.has(node);
  }

  dropRow(node: number): void {
    this.dropped.push(node);
  }
}

test('beyond its number of spare rows it gives the oldest away, in whichever cache, but none that is needed', () => {
  const pool = new RowPool(vocabulary, 3);
  const [one, other] = [new Owner(), new Owner()];
  one.needed.add(1);
  const first = pool.take(one, 1);
  const second = pool.take(one, 2);
  const third = pool.take(other, 1);
  pool.take(other, 2);
  expect([one.dropped, other.dropped]).toEqual([[], []]);
  expect(pool.take(other, 3)).toBe(second);
  expect([one.dropped, other.dropped]).toEqual([[2], []]);
  one.needed.clear();
  // Two are too many now.
  expect([first, third]).toContain(pool.take(other, 4));
  expect([one.dropped, other.dropped]).toEqual([[2, 1], [1]]);
});

test('the rows of a cache that is no more are used again', () => {
  const pool = new RowPool(vocabulary, 3);
  const [one, other] = [new Owner(), new Owner()];
  const rows = [pool.take(one, 1), pool.take(one, 2)];
  pool.forget(one);
  expect(rows).toContain(pool.take(other, 1));
  expect(rows).toContain(pool.take(other, 2));
  expect(one.dropped).toEqual([]);
});
