import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TextDocument } from 'vscode-languageserver-textdocument';
import { followedDocuments } from '../../src/server/followedDocuments.ts';
import type { DocumentEdit } from '../../src/server/learning/watch.ts';

const text = 'one\r\ntwo 😀 three\nfour';
const place = fc.record({ line: fc.nat(3), character: fc.nat(12) });
const change = fc.oneof(
  fc.record({ text: fc.string({ maxLength: 8 }) }),
  fc.record({ range: fc.record({ start: place, end: place }), text: fc.string({ maxLength: 8 }) }),
);

function follow(changes: Parameters<typeof TextDocument.update>[1], isWatching = true) {
  const edits: DocumentEdit[] = [];
  const follower = {
    isWatching: () => isWatching,
    edited: (_: string, edit: DocumentEdit) => edits.push(edit),
  };
  const documents = followedDocuments(() => follower);
  const document = documents.create('file:///a', 'typescript', 1, text);
  return { edits, now: documents.update(document, changes, 2) };
}

describe('a document that is followed', () => {
  test('has the text that it has unfollowed, and its edits lead there', () => {
    fc.assert(
      fc.property(fc.array(change, { maxLength: 4 }), (changes) => {
        const plain = TextDocument.update(
          TextDocument.create('file:///a', 'typescript', 1, text),
          changes,
          2,
        );
        const { edits, now } = follow(changes);
        expect([now.getText(), now.version]).toEqual([plain.getText(), plain.version]);
        let replayed = text;
        for (const { offset, length, text: added, before, after } of edits) {
          expect(before).toBe(replayed);
          replayed = replayed.slice(0, offset) + added + replayed.slice(offset + length);
          expect(after).toBe(replayed);
        }
        expect(replayed).toBe(plain.getText());
      }),
      { seed: 3 },
    );
  });

  test('sent anew as a whole, only the difference is an edit', () => {
    expect(follow([{ text: text.replace('two', 'to') }]).edits).toMatchObject([
      { offset: 6, length: 1, text: '' },
    ]);
  });

  test('of which nobody wants to know tells nothing', () => {
    const { edits, now } = follow([{ text: 'x' }], false);
    expect([edits, now.getText()]).toEqual([[], 'x']);
  });
});
