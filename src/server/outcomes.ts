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
import type { Told } from './learning/watch.ts';
import type { Log } from './log.ts';
import { invalidParams, type WhileServing } from './requestChecks.ts';

/**
 * Takes what editors tell of a completion, checks it, counts it and hands it on before it is acknowledged. The returned
 * function says the counts in words.
 */
export function listenToOutcomes(
  connection: Connection,
  options: {
    readonly log: Log;
    readonly serving: WhileServing;
    readonly onTold: (id: string, told: Told) => void;
  },
): () => string {
  const { log, serving, onTold } = options;
  const counts: Record<Told['kind'], number> = {
    shown: 0,
    accepted: 0,
    partlyAccepted: 0,
    rejected: 0,
    ignored: 0,
    censored: 0,
  };
  const take = <Value>(schema: z.ZodType<Value>, read: (value: Value) => readonly [string, Told]) => {
    return (params: unknown): void => {
      const parsed = schema.safeParse(params);
      if (!parsed.success) {
        log.warn(`A message about a completion was not understood: ${z.prettifyError(parsed.error)}`);
        return;
      }
      const [id, told] = read(parsed.data);
      counts[told.kind]++;
      onTold(id, told);
    };
  };
  connection.onNotification(
    didShowCompletion,
    take(z.object({ item }) satisfies z.ZodType<DidShowCompletionParams>, (params) => [
      params.item.command.arguments[0],
      { kind: 'shown' },
    ]),
  );
  connection.onNotification(
    didPartiallyAcceptCompletion,
    take(
      z.object({
        item,
        acceptedLength: z.int().nonnegative(),
      }) satisfies z.ZodType<DidPartiallyAcceptCompletionParams>,
      (params) => [
        params.item.command.arguments[0],
        { kind: 'partlyAccepted', acceptedLength: params.acceptedLength },
      ],
    ),
  );
  connection.onNotification(
    didDiscardCompletion,
    take(
      z.object({
        item,
        how: z.enum(['rejected', 'ignored', 'censored']),
      }) satisfies z.ZodType<DidDiscardCompletionParams>,
      (params) => [params.item.command.arguments[0], { kind: params.how }],
    ),
  );
  const takeAccepted = take(z.tuple([z.string()], z.unknown()), ([id]) => [id, { kind: 'accepted' }]);
  connection.onExecuteCommand(
    serving((given: unknown) => {
      const { data, error } = executeCommandParams.safeParse(given);
      if (error) return invalidParams(error);
      if (data.command === acceptCommand) takeAccepted(data.arguments ?? []);
      return null;
    }),
  );
  return () =>
    Object.entries(counts)
      .map(([kind, count]) => `${count} ${kind === 'partlyAccepted' ? 'partly accepted' : kind}`)
      .join(', ');
}

const executeCommandParams = z.object({ command: z.string(), arguments: z.array(z.unknown()).nullish() });

/** The part of an item that identifies it: its command carries the completion's id. */
const item = z.object({
  command: z.object({ command: z.string(), arguments: z.tuple([z.string()], z.unknown()) }),
});
