import { expect, test } from 'vitest';
import { KeyValueSlabs } from '../../src/lm/neural/keyValueSlabs.ts';

const shape = { nLayers: 2, nKeyValueHeads: 2, headSize: 3, vocabularySize: 1, nPositions: 8 };
const { nLayers, nKeyValueHeads, headSize } = shape;

/** What a row holds tells where it belongs. */
function rowsOf(slots: Int32Array): Float32Array {
  const rows: number[] = [];
  for (let slab = 0; slab < 2 * nLayers; slab++)
    for (let head = 0; head < nKeyValueHeads; head++)
      for (const slot of slots)
        for (let i = 0; i < headSize; i++) rows.push(1000 * slab + 100 * head + 10 * slot + i + 1);
  return Float32Array.from(rows);
}

test.each(['rows', 'turned'] as const)(
  'values as %s: all is found where the graph looks for it',
  (layout) => {
    const slabs = new KeyValueSlabs(shape, layout);
    slabs.grow(4);
    for (const slots of [Int32Array.of(3, 0), Int32Array.of(1)])
      slabs.store(rowsOf(slots), slots, slots.length);
    slabs.grow(6);
    const last = Int32Array.of(5);
    slabs.store(rowsOf(last), last, 1);
    const isUsed = [true, true, false, true, false, true];
    const names: string[] = [];
    for (const [slab, [name, data, dimensions]] of [...slabs.inputs()].entries()) {
      names.push(name);
      const isTurned = layout === 'turned' && name.endsWith('value');
      expect(dimensions).toEqual([1, nKeyValueHeads, ...(isTurned ? [headSize, 6] : [6, headSize])]);
      for (let head = 0; head < nKeyValueHeads; head++)
        for (let slot = 0; slot < 6; slot++)
          for (let i = 0; i < headSize; i++) {
            const at = isTurned ? (head * headSize + i) * 6 + slot : (head * 6 + slot) * headSize + i;
            expect(data[at]).toBe(isUsed[slot] ? 1000 * slab + 100 * head + 10 * slot + i + 1 : 0);
          }
    }
    expect(names).toEqual(['past.0.key', 'past.0.value', 'past.1.key', 'past.1.value']);
  },
);
