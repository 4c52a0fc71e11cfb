import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { CompletionReport } from '../../src/protocol/completion.ts';
import { LastCompletion } from '../../src/server/lastCompletion.ts';
import { buildContext, isInsideCharacter } from '../../src/server/textContext.ts';

/** Splits a text at its █. */
function atCursor(marked: string, uri = 'file:///a.ts') {
  const offset = marked.indexOf('█');
  return { uri, languageId: 'typescript', text: marked.replace('█', ''), offset };
}

const decode = (bytes: Uint8Array) => new TextDecoder().decode(bytes);

describe('buildContext', () => {
  test('gives the bytes on both sides of the cursor', () => {
    const context = buildContext(atCursor('häß\r\n█x😀'));
    expect([decode(context.prefix), decode(context.suffix)]).toEqual(['häß\r\n', 'x😀']);
    expect(context).toMatchObject({ documentId: 'file:///a.ts', languageId: 'typescript' });
  });

  test('is a valid piece of any text, at least 4,000 bytes before and 1,000 after the cursor', () => {
    fc.assert(
      fc.property(
        fc.string({ unit: 'grapheme', maxLength: 40 }).filter((unit) => unit.length > 0),
        fc.nat({ max: 60_000 }),
        fc.double({ min: 0, max: 1, noNaN: true }),
        (unit, length, where) => {
          const text = unit.repeat(Math.ceil(length / unit.length));
          let offset = Math.floor(where * text.length);
          if (isInsideCharacter(text, offset)) offset++;
          const { prefix, suffix } = buildContext({ uri: '', languageId: '', text, offset });
          expect(text.slice(0, offset).endsWith(decode(prefix))).toBe(true);
          expect(text.slice(offset).startsWith(decode(suffix))).toBe(true);
          expect(prefix.length).toBeGreaterThanOrEqual(
            Math.min(4000, Buffer.byteLength(text.slice(0, offset))),
          );
          expect(suffix.length).toBeGreaterThanOrEqual(Math.min(1000, Buffer.byteLength(text.slice(offset))));
        },
      ),
      { seed: 7, numRuns: 60 },
    );
  });

  test('begins at the same place while a person types', () => {
    const text = 'abcdefg\n'.repeat(10_000);
    const start = (offset: number) =>
      offset - buildContext({ uri: '', languageId: '', text, offset }).prefix.length;
    const starts = new Set(Array.from({ length: 4096 }, (_, i) => start(50_000 + i)));
    expect(starts.size).toBeLessThanOrEqual(2);
  });
});

test('a cursor between the halves of a surrogate pair is inside a character', () => {
  const text = 'a😀b';
  expect([0, 1, 2, 3, 4].map((offset) => isInsideCharacter(text, offset))).toEqual([
    false,
    false,
    true,
    false,
    false,
  ]);
  expect(isInsideCharacter('\ud83d', 1)).toBe(false);
  expect(isInsideCharacter('\ude00\ud83d', 1)).toBe(false);
});

describe('LastCompletion', () => {
  const report = { text: 'bar(😀);' } as CompletionReport;

  function check(before: string, now: string, expected: number | undefined, uri?: string) {
    const last = new LastCompletion();
    last.remember(atCursor(before), report);
    expect(last.typedAlong(atCursor(now, uri))?.nTyped).toBe(expected);
  }

  test('goes on while it is typed along', () => {
    check('foo.█\nrest', 'foo.█\nrest', 0);
    check('foo.█\nrest', 'foo.ba█\nrest', 2);
    check('foo.█\nrest', 'foo.bar(😀)█\nrest', 7);
  });

  test('ends when anything else changes', () => {
    check('foo.█\nrest', 'foo.bar(😀);█\nrest', undefined);
    check('foo.█\nrest', 'foo.x█\nrest', undefined);
    check('foo.█\nrest', 'foo█\nrest', undefined);
    check('foo.█\nrest', 'goo.b█\nrest', undefined);
    check('foo.█\nrest', 'foo.b█\nResT', undefined);
    check('foo.█\nrest', 'foo.b█)\nrest', undefined);
    check('foo.█\nrest', 'foo.b█\nrest', undefined, 'file:///b.ts');
  });

  test('nothing goes on after nothing', () => {
    const last = new LastCompletion();
    last.remember(atCursor('█'), { ...report, text: '' });
    expect(last.typedAlong(atCursor('█'))).toBeUndefined();
  });
});
