/** The entry of a worker thread with the workspace's n-gram in it. */
import { parentPort, workerData } from 'node:worker_threads';
import * as z from 'zod';
import { NgramIndex } from '../lm/ngram/ngramIndex.ts';
import { NgramMember } from '../lm/ngram/ngramMember.ts';
import { serveMember } from '../lm/remoteHost.ts';
import { eraseSavedIndex, readSavedIndex, writeSavedIndex } from './savedIndex.ts';

const workerDataSchema = z.object({
  memory: z.instanceof(SharedArrayBuffer),
  id: z.string(),
  maximumBytes: z.number().positive(),
});
const documentSchema = z.object({
  id: z.string(),
  text: z.union([z.string(), z.instanceof(Uint8Array)]),
  scope: z.enum(['open', 'workspace']),
  modifiedMs: z.number().default(0),
});
const pathSchema = z.string();

if (parentPort) {
  const { memory, id, maximumBytes } = workerDataSchema.parse(workerData);
  const index = new NgramIndex({ maximumBytes });
  const member = new NgramMember(id, index);
  const encoder = new TextEncoder();
  /** The newest save counts; an older one that is still being written is given up. */
  let nSaves = 0;
  const close = () => {
    nSaves++;
    return member.close();
  };
  const open: NgramMember['open'] = (context, signal) => member.open(context, signal);
  serveMember(
    parentPort,
    memory,
    { id, kind: 'ngram', open, close },
    {
      setDocument(argument) {
        const { id, text, scope, modifiedMs } = documentSchema.parse(argument);
        const bytes = typeof text === 'string' ? encoder.encode(text) : text;
        return { hasRoom: index.setDocument(id, bytes, scope, modifiedMs), ...index.stats };
      },
      removeDocument(argument) {
        index.removeDocument(z.string().parse(argument));
        return { hasRoom: true, ...index.stats };
      },
      restore(argument) {
        const problem = problemOf(() => {
          const file = readSavedIndex(pathSchema.parse(argument));
          if (file !== undefined && !index.load(file)) throw new Error(UNUSABLE);
        });
        return { problem, restored: columnsOf([...index.files()]), hasRoom: true, ...index.stats };
      },
      async save(argument) {
        const turn = ++nSaves;
        const version = index.workspaceVersion;
        const isStale = () => turn !== nSaves || version !== index.workspaceVersion;
        let isSaved = false;
        try {
          isSaved = await writeSavedIndex(pathSchema.parse(argument), index.save(), isStale);
        } catch (error) {
          return { isSaved, problem: messageOf(error) };
        }
        return { isSaved };
      },
      erase(argument) {
        nSaves++;
        let bytes = 0;
        const problem = problemOf(() => {
          bytes = eraseSavedIndex(pathSchema.parse(argument));
        });
        return { bytes, problem };
      },
    },
  );
}

const UNUSABLE =
  'it is damaged, of another version, or larger than the setting consort.index.maximumMegabytes allows';

/** Arrays cross to the other thread faster than so many objects. */
function columnsOf(files: readonly { id: string; bytes: number; modifiedMs: number }[]) {
  return {
    ids: files.map(({ id }) => id),
    bytes: Float64Array.from(files, ({ bytes }) => bytes),
    modifiedMs: Float64Array.from(files, ({ modifiedMs }) => modifiedMs),
  };
}

/** What is wrong in words, or undefined. */
function problemOf(run: () => void): string | undefined {
  try {
    run();
    return undefined;
  } catch (error) {
    return messageOf(error);
  }
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
