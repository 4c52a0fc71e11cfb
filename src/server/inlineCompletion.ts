import { type InlineCompletionItem, InlineCompletionTriggerKind } from 'vscode-languageserver';
import type { TextDocument } from 'vscode-languageserver-textdocument';
import * as z from 'zod';
import { acceptCommand } from '../protocol/messages.ts';
import type { CompletionAnswer, CompletionRequest } from './engine.ts';

const position = z.object({ line: z.int().nonnegative(), character: z.int().nonnegative() });

/** What is used of the parameters of textDocument/inlineCompletion. */
export const inlineCompletionParams = z.object({
  textDocument: z.object({ uri: z.string() }),
  position,
  context: z.object({
    triggerKind: z.int(),
    selectedCompletionInfo: z
      .object({ range: z.object({ start: position, end: position }), text: z.string() })
      .nullish(),
  }),
});

export function requestOf(
  document: TextDocument,
  { position, context }: z.infer<typeof inlineCompletionParams>,
): CompletionRequest {
  const selected = context.selectedCompletionInfo;
  return {
    ...snapshot(document),
    offset: document.offsetAt(position),
    isExplicit: context.triggerKind === InlineCompletionTriggerKind.Invoked,
    ...(selected && {
      selected: {
        start: document.offsetAt(selected.range.start),
        end: document.offsetAt(selected.range.end),
        text: selected.text,
      },
    }),
  };
}

export function itemOf(
  document: TextDocument,
  id: string,
  item: NonNullable<CompletionAnswer['item']>,
): InlineCompletionItem {
  return {
    insertText: item.insertText,
    range: { start: document.positionAt(item.start), end: document.positionAt(item.end) },
    command: { title: '', command: acceptCommand, arguments: [id] },
  };
}

export function snapshot(document: TextDocument) {
  return { uri: document.uri, languageId: document.languageId, text: document.getText() };
}
