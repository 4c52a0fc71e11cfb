import type { Connection } from 'vscode-languageserver';
import * as z from 'zod';
import {
  acceptCommand,
  type DidDiscardCompletionParams,
  type DidPartiallyAcceptCompletionParams,
  type DidShowCompletionParams,
  didDiscardCompletion,
  didPartiallyAcceptCompletion,
  didShowCompletion,
} from '../protocol/messages.ts';
import type { Log } from './log.ts';

type Outcome = 'shown' | 'accepted' | 'partly accepted' | 'rejected' | 'ignored';

/**
 * Takes what editors tell of a completion. It is checked and counted, in memory only: nothing is recorded. The
 * returned function says the counts in words.
 */
export function listenToOutcomes(connection: Connection, log: Log): () => string {
  const counts: Record<Outcome, number> = {
    shown: 0,
    accepted: 0,
    'partly accepted': 0,
    rejected: 0,
    ignored: 0,
  };
  const take = <Value>(schema: z.ZodType<Value>, outcome: (value: Value) => Outcome) => {
    return (params: unknown): void => {
      const parsed = schema.safeParse(params);
      if (parsed.success) counts[outcome(parsed.data)]++;
      else log.warn(`A message about a completion was not understood: ${z.prettifyError(parsed.error)}`);
    };
  };
  connection.onNotification(
    didShowCompletion,
    take<DidShowCompletionParams>(z.object({ item }), () => 'shown'),
  );
  connection.onNotification(
    didPartiallyAcceptCompletion,
    take<DidPartiallyAcceptCompletionParams>(
      z.object({ item, acceptedLength: z.number().int().nonnegative() }),
      () => 'partly accepted',
    ),
  );
  connection.onNotification(
    didDiscardCompletion,
    take<DidDiscardCompletionParams>(
      z.object({ item, how: z.enum(['rejected', 'ignored']) }),
      ({ how }) => how,
    ),
  );
  const takeAccepted = take(z.tuple([z.string()], z.unknown()), () => 'accepted');
  connection.onExecuteCommand((params) => {
    if (params.command === acceptCommand) takeAccepted(params.arguments ?? []);
    return null;
  });
  return () =>
    Object.entries(counts)
      .map(([outcome, count]) => `${count} ${outcome}`)
      .join(', ');
}

/** The part of an item that identifies it: its command carries the completion's id. */
const item = z.object({
  command: z.object({ command: z.string(), arguments: z.tuple([z.string()], z.unknown()) }),
});
