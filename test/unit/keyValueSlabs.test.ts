import { expect, test } from 'vitest';
import { KeyValueSlabs } from '../../src/lm/neural/keyValueSlabs.ts';

const nLayers = 2;
const headSize = 3;

/** What a row holds tells where it belongs. */
function rowsOf(slots: Int32Array, nKeyValueHeads: number): Float32Array {
  const rows: number[] = [];
  for (let slab = 0; slab < 2 * nLayers; slab++)
    for (let head = 0; head < nKeyValueHeads; head++)
      for (const slot of slots)
        for (let i = 0; i < headSize; i++) rows.push(1000 * slab + 100 * head + 10 * slot + i + 1);
  return Float32Array.from(rows);
}

test.each([
  { layout: 'rows', nKeyValueHeads: 2 },
  { layout: 'turned', nKeyValueHeads: 2 },
  { layout: 'rows', nKeyValueHeads: 1 },
  { layout: 'turned', nKeyValueHeads: 1 },
] as const)(
  'values as $layout, $nKeyValueHeads heads: all is found where the graph looks for it',
  ({ layout, nKeyValueHeads }) => {
    const slabs = new KeyValueSlabs(
      { nLayers, nKeyValueHeads, headSize, vocabularySize: 1, nPositions: 8 },
      layout,
    );
    const stored = new Set<number>();
    const store = (...slots: number[]) => {
      slabs.store(rowsOf(Int32Array.from(slots), nKeyValueHeads), Int32Array.from(slots), slots.length);
      for (const slot of slots) stored.add(slot);
    };
    slabs.grow(4);
    store(3, 0);
    store(1);
    slabs.grow(6);
    store(5);
    slabs.grow(1500); // more than there is room for from the start
    store(1499);
    const capacity = slabs.capacity;
    const names: string[] = [];
    for (const [slab, [name, data, dimensions]] of [...slabs.inputs()].entries()) {
      names.push(name);
      const isTurned = layout === 'turned' && name.endsWith('value');
      expect(dimensions).toEqual([
        1,
        nKeyValueHeads,
        ...(isTurned ? [headSize, capacity] : [capacity, headSize]),
      ]);
      expect(data.length).toBe(nKeyValueHeads * headSize * capacity);
      for (let head = 0; head < nKeyValueHeads; head++)
        for (const slot of [0, 1, 2, 3, 4, 5, 6, 1023, 1498, 1499])
          for (let i = 0; i < headSize; i++) {
            const at = isTurned
              ? (head * headSize + i) * capacity + slot
              : (head * capacity + slot) * headSize + i;
            expect(data[at]).toBe(stored.has(slot) ? 1000 * slab + 100 * head + 10 * slot + i + 1 : 0);
          }
    }
    expect(names).toEqual(['past.0.key', 'past.0.value', 'past.1.key', 'past.1.value']);
  },
);
