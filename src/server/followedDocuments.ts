import type { TextDocumentContentChangeEvent } from 'vscode-languageserver';
import { TextDocument } from 'vscode-languageserver-textdocument';
import type { DocumentEdit } from './learning/watch.ts';

/** Who wants to know of edits, one after the other, with the text before and after each. */
export interface EditListener {
  /** Whether edits of this document matter: only then are they told. */
  isWatching(uri: string): boolean;
  edited(uri: string, edit: DocumentEdit): void;
}

/** How documents are made and kept up, with each edit told. */
export function followedDocuments(listener: () => EditListener | undefined) {
  return {
    create: TextDocument.create,
    update(document: TextDocument, changes: TextDocumentContentChangeEvent[], version: number): TextDocument {
      const follower = listener();
      if (!follower?.isWatching(document.uri)) return TextDocument.update(document, changes, version);
      for (const change of changes) {
        const before = document.getText();
        const place = 'range' in change ? spanOf(document, change) : undefined;
        TextDocument.update(document, [change], version);
        const after = document.getText();
        follower.edited(document.uri, { ...(place ?? difference(before, after)), before, after });
      }
      return TextDocument.update(document, [], version);
    },
  };
}

function spanOf(
  document: TextDocument,
  { range, text }: Extract<TextDocumentContentChangeEvent, { range: unknown }>,
) {
  const ends = [document.offsetAt(range.start), document.offsetAt(range.end)];
  const offset = Math.min(...ends);
  return { offset, length: Math.max(...ends) - offset, text };
}

/** The smallest single replacement that makes one text the other. */
function difference(before: string, after: string) {
  const most = Math.min(before.length, after.length);
  let offset = 0;
  while (offset < most && before[offset] === after[offset]) offset++;
  let tail = 0;
  while (tail < most - offset && before.at(-1 - tail) === after.at(-1 - tail)) tail++;
  return { offset, length: before.length - tail - offset, text: after.slice(offset, after.length - tail) };
}
