import * as z from 'zod';
import type { PeerRequest } from '../support/peer.ts';

const requestSchema: z.ZodType<PeerRequest> = z.discriminatedUnion('type', [
  z.object({ type: z.literal('load'), model: z.string(), threads: z.int(), contextTokens: z.int() }),
  z.object({ type: z.literal('generate'), prompt: z.array(z.int()), count: z.int() }),
  z.object({ type: z.literal('continue'), count: z.int() }),
]);

/** What a peer answers to `generate`. */
export interface Generated {
  readonly tokens: readonly number[];
  /** When each token was there, in milliseconds since the request. */
  readonly marks: readonly number[];
}

export interface PeerModel {
  generate(prompt: readonly number[], count: number): Promise<Generated>;
  /** After `generate`: further tokens. */
  goOn(count: number): Promise<Generated>;
}

/** Answers the parent process, one request at a time; a failure is answered with its Error. */
export function serve(load: (request: Extract<PeerRequest, { type: 'load' }>) => Promise<PeerModel>): void {
  let model: PeerModel | undefined;
  process.on('message', async (message) => {
    try {
      const request = requestSchema.parse(message);
      if (request.type === 'load') {
        model = await load(request);
        process.send?.({});
        return;
      }
      const { count } = request;
      process.send?.(
        await (request.type === 'generate' ? model?.generate(request.prompt, count) : model?.goOn(count)),
      );
    } catch (error) {
      process.send?.(error instanceof Error ? error : new Error(String(error)));
    }
  });
}
