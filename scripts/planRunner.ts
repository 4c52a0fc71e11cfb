import { spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  createWriteStream,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import type { Job } from './policyPlan.ts';

const root = join(import.meta.dirname, '..');

export interface PlanRunnerOptions {
  /** Each after those that it needs. */
  readonly jobs: readonly Job[];
  /** The folder of what is in progress or done. */
  readonly work: string;
  /** Says which members take part: with others, nothing is done yet. */
  readonly membersDigest: string;
  readonly nAtOnce: number;
}

interface Run {
  /** Rejects where the job fails. */
  readonly ended: Promise<void>;
  readonly stop: (signal: NodeJS.Signals) => void;
  /** What it said last. */
  readonly lastLine: () => string;
}

/**
 * Runs a plan's jobs, several at once, and goes on where it was stopped: by Ctrl-C after the updates in hand, by a second one at
 * once. Invariant: a job whose stamp lies in `work/stamps` is done, with the same command, members and input.
 */
export class PlanRunner {
  private readonly jobs: readonly Job[];
  private readonly work: string;
  private readonly nAtOnce: number;
  private readonly stamps = new Map<string, string>();

  constructor({ jobs, work, membersDigest, nAtOnce }: PlanRunnerOptions) {
    this.jobs = jobs;
    this.work = work;
    this.nAtOnce = nAtOnce;
    for (const job of jobs) this.stamps.set(job.id, this.stampOf(job, membersDigest));
    for (const folder of ['stamps', 'logs', 'policies', 'ablations', 'results']) {
      mkdirSync(join(work, folder), { recursive: true });
    }
  }

  isDone(job: Job): boolean {
    const path = this.stampPath(job);
    return existsSync(path) && readFileSync(path, 'utf8') === this.stampFor(job);
  }

  /** All of it shared among the processors, or the longest alone. */
  secondsLeft(rest: readonly Job[] = this.jobs.filter((job) => !this.isDone(job))): number {
    const alone = rest.filter(({ isAlone }) => isAlone).reduce((sum, { seconds }) => sum + seconds, 0);
    const shared = rest.filter(({ isAlone }) => !isAlone).reduce((sum, { seconds }) => sum + seconds, 0);
    return alone + shared / this.nAtOnce;
  }

  /**
   * Runs what is not done, the first in the plan first.
   * @returns whether all is done; not where it was interrupted
   * @throws Error where a job fails
   */
  async runAll(): Promise<boolean> {
    const { jobs, nAtOnce } = this;
    const start = performance.now();
    const elapsed = () => (performance.now() - start) / 1000;
    const finished = new Set(jobs.filter((job) => this.isDone(job)).map(({ id }) => id));
    const running = new Map<
      string,
      { readonly run: Run; readonly since: number; readonly ended: Promise<Job> }
    >();
    let [planned, taken] = [0, 0];
    const left = () => {
      const rest = jobs.filter(({ id }) => !finished.has(id));
      const rate = planned > 0 ? taken / planned : 1;
      const inHand = [...running.values()].reduce((sum, { since }) => sum + elapsed() - since, 0);
      return Math.max(0, rate * this.secondsLeft(rest) - inHand / nAtOnce);
    };
    const tell = (text: string) => console.log(`${duration(elapsed()).padStart(6)}  ${text}`);
    let isStopped = false;
    const stop = () => {
      if (isStopped) return; // A training that is told twice ends without the update in hand.
      isStopped = true;
      for (const { run } of running.values()) run.stop('SIGINT');
    };
    const interrupt = () => {
      if (isStopped) {
        for (const { run } of running.values()) run.stop('SIGKILL');
        process.exit(130);
      }
      tell('Ends after the updates in hand. Ctrl-C again ends at once, without them.');
      stop();
    };
    for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, interrupt);
    const ticking = setInterval(() => {
      for (const [id, { run }] of running) tell(`${id}: ${run.lastLine()}`);
      tell(`about ${duration(left())} left`);
    }, 30_000);
    tell(`${finished.size} of ${jobs.length} jobs are done already, about ${duration(left())} left`);
    try {
      while (finished.size < jobs.length && !isStopped) {
        for (const job of jobs) {
          if (finished.has(job.id) || running.has(job.id)) continue;
          if (!job.needs.every((id) => finished.has(id))) continue;
          // One that must be alone waits for the others to end, and those after it wait for it.
          if (running.size >= (job.isAlone ? 1 : nAtOnce)) break;
          const run = this.start(job);
          running.set(job.id, { run, since: elapsed(), ended: run.ended.then(() => job) });
          tell(`${job.id} begins`);
          if (job.isAlone) break;
        }
        const job = await Promise.race([...running.values()].map(({ ended }) => ended));
        const seconds = elapsed() - (running.get(job.id)?.since ?? 0);
        running.delete(job.id);
        finished.add(job.id);
        planned += job.seconds;
        taken += seconds;
        tell(`${job.id} took ${duration(seconds)}; about ${duration(left())} left`);
      }
    } catch (error) {
      if (!isStopped) throw error; // Otherwise it says that a job was interrupted.
    } finally {
      clearInterval(ticking);
      stop();
      await Promise.allSettled([...running.values()].map(({ ended }) => ended));
    }
    return finished.size === jobs.length;
  }

  private start(job: Job): Run {
    const { action, id } = job;
    // What another plan has made here is about to be replaced.
    rmSync(this.stampPath(job), { force: true });
    const finish = () => writeFileSync(this.stampPath(job), this.stampFor(job));
    if ('copy' in action) {
      copyFileSync(action.copy, action.to);
      finish();
      return { ended: Promise.resolve(), stop() {}, lastLine: () => '' };
    }
    const begun = `${this.stampPath(job)}.begun`;
    const isGoingOn = existsSync(begun) && readFileSync(begun, 'utf8') === this.stampFor(job);
    if (!isGoingOn) this.forgetCheckpoint(job, action.consort);
    writeFileSync(begun, this.stampFor(job));
    const words = isGoingOn ? resumed(action.consort) : action.consort;
    const logPath = join(this.work, 'logs', `${id}.log`);
    const log = createWriteStream(logPath, { flags: isGoingOn ? 'a' : 'w' });
    const child = spawn(process.execPath, [join(root, 'src', 'cli', 'main.ts'), ...words], {
      stdio: ['ignore', 'ignore', 'pipe'],
      // Ctrl-C in a terminal reaches all processes of its group, and `stop` would be the second to tell them.
      detached: true,
    });
    let last = '';
    child.stderr.on('data', (chunk: Buffer) => {
      last = chunk.toString().trim().split('\n').at(-1) ?? last;
      log.write(chunk);
    });
    const ended = new Promise<void>((done, reject) => {
      child.once('error', reject);
      child.once('close', (code) => {
        log.end();
        if (code !== 0)
          return reject(new Error(`${id} failed (${code}): ${last}\nAll that it said: ${logPath}`));
        finish();
        done();
      });
    });
    return { ended, stop: (signal) => child.kill(signal), lastLine: () => last };
  }

  /** What is left of another plan's training is nothing to go on from; the copy of a checkpoint to start with is made anew. */
  private forgetCheckpoint({ needs }: Job, words: readonly string[]): void {
    rmSync(checkpointOf(words), { force: true });
    for (const { id, action } of this.jobs) {
      if ('copy' in action && needs.includes(id)) copyFileSync(action.copy, action.to);
    }
  }

  /** Says what a job did: another command, other members or another input make it another job. */
  private stampOf({ action, needs }: Job, membersDigest: string): string {
    const inputs = needs.map((id) => this.stamps.get(id));
    return createHash('sha256')
      .update(JSON.stringify([membersDigest, action, inputs]))
      .digest('hex');
  }

  private stampFor({ id }: Job): string {
    const stamp = this.stamps.get(id);
    if (stamp === undefined) throw new Error(`${id} is not in the plan`);
    return stamp;
  }

  private stampPath({ id }: Job): string {
    return join(this.work, 'stamps', id);
  }
}

/** A training goes on from its checkpoint, where it has one. */
function resumed(words: readonly string[]): readonly string[] {
  const goesOn = words[0] === 'train' && !words.includes('--resume') && existsSync(checkpointOf(words));
  return goesOn ? [...words, '--resume'] : words;
}

function checkpointOf(words: readonly string[]): string {
  return `${words[words.indexOf('--out') + 1]}.checkpoint`;
}

/** Minutes and seconds. */
export function duration(seconds: number): string {
  const whole = Math.round(seconds);
  return `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, '0')}`;
}
