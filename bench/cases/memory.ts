import { spawnSync } from 'node:child_process';
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { megabytes, milliseconds, percent, times } from '../support/format.ts';
import type { BenchContext, CaseResult } from '../support/result.ts';
import { ServerProcess } from '../support/serverProcess.ts';
import { distributionOf } from '../support/statistics.ts';

const nStarts = 7;
const nCursors = 60;
/** The workspace has been read when nothing was done for this long. */
const restMs = 2000;
const longestReadingMs = 300_000;
const idleMs = 10_000;
const root = path.join(import.meta.dirname, '../..');

/** The background process: start to first completion, peak memory over many completions, what it does when idle. */
export async function memory({ corpus, seed, say }: BenchContext): Promise<CaseResult> {
  const serverFile = path.join(root, 'dist/server.js');
  if (!isNewerThanSources(serverFile)) {
    say('building');
    spawnSync(process.execPath, ['esbuild.mjs'], { cwd: root, stdio: ['ignore', 2, 2] });
  }
  const cursors = corpus.draw(nCursors, seed + 4);
  const starts: number[] = [];
  for (let i = 0; i < nStarts; i++) {
    say(`start ${i + 1} of ${nStarts}`);
    const start = performance.now();
    const server = await ServerProcess.start(serverFile, corpus);
    await server.complete(cursors[i]);
    starts.push(performance.now() - start);
    await server.stop();
  }
  const server = await ServerProcess.start(serverFile, corpus);
  try {
    say(`${nCursors} completions`);
    for (const cursor of cursors) await server.complete(cursor);
    await atRest(server);
    const before = await server.usage();
    say('idle');
    await sleep(idleMs);
    const after = await server.usage();
    const cold = distributionOf(starts);
    const idle = before && after ? (after.cpuMs - before.cpuMs) / idleMs : undefined;
    return {
      milliseconds: { p50: cold.p50, p95: cold.p95 },
      figures: [
        {
          what: 'Peak memory of the background process',
          value: after ? megabytes(after.peakBytes) : 'not known here',
          spread: after ? `${megabytes(after.bytes)} at rest` : '',
          goal: '',
          isMet: undefined,
        },
        {
          what: 'Start of the background process to the first completion',
          value: milliseconds(cold.p50),
          spread: `quartiles ${times(cold, milliseconds)}; ${cold.n} starts`,
          goal: '',
          isMet: undefined,
        },
        {
          what: 'Processor time when idle, of one core',
          value: idle === undefined ? 'not known here' : percent(idle),
          spread: `over ${idleMs / 1000} s`,
          goal: '0',
          isMet: idle === undefined ? undefined : idle < 0.0015,
        },
      ],
      limit:
        'Memory: one runtime (Node.js and the ONNX Runtime library) for all threads, then for each thread an engine of its own, the weights and their repacked copy, keys and values, and the index. Start: loading the library and checking and opening every model; the members do it side by side.',
      details: { coldStart: cold, peakBytes: after?.peakBytes, restBytes: after?.bytes, idleCpuShare: idle },
    };
  } finally {
    await server.stop();
  }
}

/** Waits until what the process began of itself, such as reading the workspace, is done. */
async function atRest(server: ServerProcess): Promise<void> {
  const giveUpAt = performance.now() + longestReadingMs;
  for (let before = await server.usage(); before && performance.now() < giveUpAt; ) {
    await sleep(restMs);
    const after = await server.usage();
    if (after?.cpuMs === before.cpuMs) return;
    before = after;
  }
}

function isNewerThanSources(file: string): boolean {
  const builtAt = statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0;
  const sources = readdirSync(path.join(root, 'src'), { recursive: true, encoding: 'utf8' });
  return sources.every((source) => statSync(path.join(root, 'src', source)).mtimeMs < builtAt);
}
