import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { MemberStream } from '../../src/lm/member.ts';
import { NgramIndex } from '../../src/lm/ngram/ngramIndex.ts';
import { NgramMember } from '../../src/lm/ngram/ngramMember.ts';
import type { ForeseeingStream } from '../../src/lm/remoteHost.ts';

const never = new AbortController().signal;
const known = Buffer.from(
  'const total = values.reduce((sum, value) => sum + value, 0);\nreturn total;\n'.repeat(3),
);

/** A stream over an index of its own, at the end of `prefix`. */
async function open(prefix: Uint8Array): Promise<MemberStream & ForeseeingStream> {
  const index = new NgramIndex({ maximumBytes: 1e6 });
  index.setDocument('known', known, 'workspace');
  const context = { documentId: 'a', languageId: '', prefix, suffix: new Uint8Array() };
  const stream = await new NgramMember('ngram', index).open(context, never);
  if (!('foresee' in stream)) throw new Error('it sees nothing ahead');
  return stream as MemberStream & ForeseeingStream;
}

test('the workspace member sees ahead what it would say, and looking ahead moves nothing', () =>
  fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 0, max: 150 }),
      fc.array(fc.record({ n: fc.nat(20), expected: fc.constantFrom('', 'sum', 'value, 0);', '~~') })),
      async (at, looks) => {
        const prefix = Buffer.concat([Buffer.from('let x;\n'), known.subarray(0, at)]);
        const [plain, looking] = [await open(prefix), await open(prefix)];
        let next = at;
        for (const { n, expected } of looks) {
          const foreseen: [number, Float64Array, Float64Array][] = [];
          looking.foresee((byte, distribution, evidence) => {
            foreseen.push([byte, distribution.slice(), evidence.slice()]);
            return true;
          }, Buffer.from(expected));
          expect(looking.distribution).toEqual(plain.distribution);
          expect(looking.evidence).toEqual(plain.evidence);
          let isAsForeseen = true;
          for (const [i, byte] of known.subarray(next, next + n).entries()) {
            await plain.advance(byte);
            await looking.advance(byte);
            isAsForeseen &&= foreseen[i]?.[0] === byte;
            expect(looking.evidence).toEqual(plain.evidence);
            if (isAsForeseen) expect([plain.distribution, plain.evidence]).toEqual(foreseen[i].slice(1));
          }
          next = Math.min(known.length, next + n);
        }
        expect(looking.distribution).toEqual(plain.distribution);
      },
    ),
    { numRuns: 40, seed: 8 },
  ));

test('it sees a known line to its end, and no further', async () => {
  const stream = await open(Buffer.from('const total = values.'));
  let seen = '';
  stream.foresee((byte) => {
    seen += String.fromCharCode(byte);
    return true;
  }, new Uint8Array());
  expect('reduce((sum, value) => sum + value, 0);'.startsWith(seen)).toBe(true);
  expect(seen.length).toBeGreaterThan(10);
});
