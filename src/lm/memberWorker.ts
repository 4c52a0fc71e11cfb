import { parentPort, workerData } from 'node:worker_threads';
import * as z from 'zod';
import { loadMemberManifest } from '../config/memberManifest.ts';
import { openNeuralMember } from './neural/neuralMember.ts';
import { describeFailure, serveMember } from './remoteHost.ts';
import type { FromWorker } from './remoteProtocol.ts';

/**
 * The entry of a worker thread with one neural member in it.
 * workerData: `memory` as `createSharedMemory` makes it, and the member's `folder`.
 */
const workerDataSchema = z.object({ memory: z.instanceof(SharedArrayBuffer), folder: z.string() });

if (parentPort) {
  try {
    const { memory, folder } = workerDataSchema.parse(workerData);
    const { manifest, problem } = await loadMemberManifest(folder);
    if (problem) throw problem;
    serveMember(parentPort, memory, await openNeuralMember(folder, manifest));
  } catch (error) {
    parentPort.postMessage({ type: 'failed', failure: describeFailure(error) } satisfies FromWorker);
  }
}
