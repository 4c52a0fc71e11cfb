import { existsSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { setTimeout } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { defaultSettings } from '../../src/config/settings.ts';
import { startEnsemble } from '../../src/server/ensemble.ts';
import { createLog } from '../../src/server/log.ts';
import { savedIndexPath } from '../../src/server/savedIndex.ts';

/** One start of the server's ensemble, the n-gram its only member. */
export interface Start {
  readonly files: number;
  readonly bytes: number;
  /** Until the workspace has been read. */
  readonly milliseconds: number;
  /** What all threads of the process took meanwhile. */
  readonly processorMs: number;
  /** Of the server's main thread meanwhile, in milliseconds; how late the event loop comes to a timer of 1 ms. */
  readonly lag: { readonly p50: number; readonly p99: number; readonly maximum: number };
  readonly memoryBytes: number;
  /** What the whole process has grown by. */
  readonly residentBytes: number;
  readonly saved: { readonly milliseconds: number; readonly bytes: number } | undefined;
}

/** Starts over these folders twice: with nothing saved, and then with what the first start has saved. */
export async function measureStarts(
  folders: readonly string[],
  megabytes: number,
): Promise<{ readonly anew: Start; readonly restored: Start }> {
  const scratch = mkdtempSync(path.join(tmpdir(), 'consort-bench-'));
  try {
    const anew = await measureStart(folders, megabytes, scratch);
    return { anew, restored: await measureStart(folders, megabytes, scratch) };
  } finally {
    rmSync(scratch, { recursive: true });
  }
}

async function measureStart(folders: readonly string[], megabytes: number, scratch: string): Promise<Start> {
  const file = savedIndexPath(scratch);
  const wasSaved = existsSync(file);
  const residentBefore = process.memoryUsage.rss();
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const processor = process.cpuUsage();
  const start = performance.now();
  const ensemble = startEnsemble({
    settings: { ...defaultSettings, 'index.maximumMegabytes': megabytes },
    // No other member.
    modelsPath: scratch,
    storagePath: scratch,
    trusted: true,
    folders: folders.map((folder) => pathToFileURL(path.resolve(folder)).href),
    log: createLog((level, message) => process.stderr.write(`${level}: ${message}\n`), 'warn'),
    memberDeadlineMs: 2000,
    onChange: () => undefined,
  });
  await ensemble.ready();
  const milliseconds = performance.now() - start;
  const { user, system } = process.cpuUsage(processor);
  delay.disable();
  const { members, index } = ensemble.engine.status();
  const residentBytes = process.memoryUsage.rss() - residentBefore;
  while (!existsSync(file)) await setTimeout(5);
  const savedMs = performance.now() - start - milliseconds;
  await ensemble.close();
  return {
    files: index.files,
    bytes: index.bytes,
    milliseconds,
    processorMs: (user + system) / 1000,
    lag: { p50: delay.percentile(50) / 1e6, p99: delay.percentile(99) / 1e6, maximum: delay.max / 1e6 },
    memoryBytes: members.find(({ kind }) => kind === 'ngram')?.sizeBytes ?? 0,
    residentBytes,
    saved: wasSaved ? undefined : { milliseconds: savedMs, bytes: statSync(file).size },
  };
}
