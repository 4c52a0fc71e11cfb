import { readFile } from 'node:fs/promises';
import os from 'node:os';
import onnxRuntime from '../../node_modules/onnxruntime-node/package.json' with { type: 'json' };

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGigabytes: number;
  readonly platform: string;
  readonly node: string;
  readonly onnxRuntime: string;
  /** Runnable threads over the last minute, before the first measurement. */
  readonly load: number;
  /** Niceness of the measured threads: from -20, before all others, to 19. */
  readonly priority: number;
  /** What one core moves to and from memory per second, in gigabytes. */
  readonly readGigabytesPerSecond: number;
  /** Something that makes absolute times doubtful. */
  readonly warning: string | undefined;
}

export async function describeMachine(): Promise<Machine> {
  const load = await currentLoad();
  const cores = os.availableParallelism();
  return {
    cpu: await cpuName(),
    cores,
    memoryGigabytes: Math.round(os.totalmem() / 2 ** 30),
    platform: `${os.platform()} ${os.arch()}`,
    node: process.version,
    onnxRuntime: onnxRuntime.version,
    load: load.average,
    priority: os.getPriority(),
    readGigabytesPerSecond: measureReading(),
    warning:
      load.running > 0
        ? `${load.running} other runnable thread${load.running > 1 ? 's' : ''} on ${cores} cores (load ${load.average}): trust the ratios, not the milliseconds`
        : undefined,
  };
}

/** Linux counts who is running right now; elsewhere the average has to do. */
async function currentLoad(): Promise<{ average: number; running: number }> {
  const average = Math.round(os.loadavg()[0] * 100) / 100;
  const text = await readFile('/proc/loadavg', 'utf8').catch(() => '');
  const now = /^\S+ \S+ \S+ (\d+)\//.exec(text);
  return { average, running: now ? Number(now[1]) - 1 : Math.round(average) };
}

async function cpuName(): Promise<string> {
  const text = await readFile('/proc/cpuinfo', 'utf8').catch(() => '');
  const field = (name: string) => new RegExp(`^${name}\\s*:\\s*(.*)$`, 'm').exec(text)?.[1].trim();
  const { model } = os.cpus()[0] ?? { model: 'unknown' };
  const flags = (field('flags') ?? '')
    .split(' ')
    .filter((flag) => /^(avx2|avx512f|avx512_vnni|avx_vnni|amx_int8)$/.test(flag));
  const family = field('cpu family');
  return `${model}${family ? ` (family ${family} model ${field('model')}; ${flags.join(', ')})` : ''}`;
}

/** The best of several passes over 128 MB: the floor of whatever has to read its weights once. */
function measureReading(): number {
  const source = new Uint8Array(128 << 20).fill(1);
  const target = new Uint8Array(128 << 20);
  let best = Number.POSITIVE_INFINITY;
  for (let pass = 0; pass < 8; pass++) {
    const start = performance.now();
    // A copy reads and writes every byte once; of a sum alone the engine would be the limit.
    target.set(source);
    best = Math.min(best, performance.now() - start);
  }
  return Math.round(((2 * source.length) / best / 1e6) * 10) / 10;
}
