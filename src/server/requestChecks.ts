import { ErrorCodes, type InitializeError, ResponseError } from 'vscode-languageserver';
import type * as z from 'zod';

/** Where a server stands between its start and its end. */
export type Phase = 'uninitialized' | 'serving' | 'shutDown';

/** Lets a request through while the server serves; at any other time its answer is the error that LSP wants. */
export type WhileServing = <Asked extends readonly unknown[], Answer>(
  run: (...asked: Asked) => Answer,
) => (...asked: Asked) => Answer | ResponseError<void>;

export function whileServing(phase: () => Phase): WhileServing {
  return (run) =>
    (...asked) =>
      refusal(phase()) ?? run(...asked);
}

function refusal(phase: Phase): ResponseError<void> | undefined {
  if (phase === 'serving') return undefined;
  return phase === 'shutDown'
    ? new ResponseError(ErrorCodes.InvalidRequest, 'The server has been shut down.')
    : new ResponseError(ErrorCodes.ServerNotInitialized, 'The first request must be initialize.');
}

export function initializedBefore(): ResponseError<InitializeError> {
  const message = 'initialize may be sent only once, and not after shutdown.';
  return new ResponseError(ErrorCodes.InvalidRequest, message, { retry: false });
}

/** One line: where the parameters are not what they should be. */
export function invalidParams({ issues }: z.ZodError): ResponseError<void> {
  const places = issues.map(({ path, message }) => `${path.join('.') || 'params'}: ${message}`);
  return new ResponseError(ErrorCodes.InvalidParams, `The parameters are wrong. ${places.join('; ')}`);
}
