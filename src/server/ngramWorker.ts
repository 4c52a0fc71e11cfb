/** The entry of a worker thread with the workspace's n-gram in it. */
import { parentPort, workerData } from 'node:worker_threads';
import * as z from 'zod';
import { NgramIndex } from '../lm/ngram/ngramIndex.ts';
import { NgramMember } from '../lm/ngram/ngramMember.ts';
import { serveMember } from '../lm/remoteHost.ts';

const workerDataSchema = z.object({
  memory: z.instanceof(SharedArrayBuffer),
  id: z.string(),
  maximumBytes: z.number().positive(),
});
const documentSchema = z.object({
  id: z.string(),
  text: z.union([z.string(), z.instanceof(Uint8Array)]),
  scope: z.enum(['open', 'workspace']),
});

if (parentPort) {
  const { memory, id, maximumBytes } = workerDataSchema.parse(workerData);
  const index = new NgramIndex({ maximumBytes });
  const encoder = new TextEncoder();
  serveMember(parentPort, memory, new NgramMember(id, index), {
    setDocument(argument) {
      const { id, text, scope } = documentSchema.parse(argument);
      const bytes = typeof text === 'string' ? encoder.encode(text) : text;
      return { hasRoom: index.setDocument(id, bytes, scope), ...index.stats };
    },
    removeDocument(argument) {
      index.removeDocument(z.string().parse(argument));
      return { hasRoom: true, ...index.stats };
    },
  });
}
