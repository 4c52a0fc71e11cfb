/**
 * What training costs a completion: p95 latency with the trainer at work ÷ without.
 * Usage: node bench/trainingLatency.ts [--rounds N] [--requests N] [--json]
 * The worst case: training goes on again a tenth of a second after each completion (in the product two seconds), one turn
 * after the other, so that every request finds it at work and has to stop it. Every fifth request is at another place of the
 * file, where nobody has been, the others follow as somebody types on. In each round there is a block of --requests under
 * either condition, every other round in the other order. The interval is a 95 % bootstrap over rounds.
 */
import '../src/config/noTelemetry.ts';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { parseSettings } from '../src/config/settings.ts';
import { randomNumbers } from '../src/evaluation/random.ts';
import { lexemeClass } from '../src/lm/lexeme.ts';
import { MEMBER_FEATURES, SHARED_FEATURES } from '../src/policy/features.ts';
import type { ScoredStep } from '../src/policy/recordedPolicy.ts';
import { startEnsemble } from '../src/server/ensemble.ts';
import { Trainer } from '../src/server/learning/trainer.ts';
import { grantConsent } from '../src/server/ledger/consents.ts';
import { type Ledger, openLedger } from '../src/server/ledger/ledger.ts';
import { recordText } from '../src/server/ledger/survivingTexts.ts';
import { createLog } from '../src/server/log.ts';
import { describeMachine } from './support/machine.ts';
import { type Distribution, distributionOf } from './support/statistics.ts';
import { takeTurns } from './support/timing.ts';

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '12' },
    requests: { type: 'string', default: '10' },
    json: { type: 'boolean', default: false },
  },
});
const nRounds = Number(values.rounds);
const nRequests = Number(values.requests);
/** In milliseconds: from the end of a completion to the next request, and to the moment when training goes on. */
const pauseMs = { request: 250, training: 100 };
/** Nothing that is waited for takes longer, or the measurement fails. */
const deadlineMs = 30_000;
const requestsPerPlace = 5;
const goal = 1.1;

const machine = await describeMachine();
const folder = mkdtempSync(path.join(tmpdir(), 'consort-bench-'));
const log = createLog((level, message) => {
  if (level === 'warn' || level === 'error') console.error(message);
}, 'warn');
const { settings } = parseSettings(undefined);
const ensemble = startEnsemble({
  settings,
  modelsPath: undefined,
  trusted: true,
  folders: [],
  log,
  memberDeadlineMs: deadlineMs,
  onChange: () => {},
});
const ledger = await filledLedger(path.join(folder, 'ledger.sqlite'));
const file = readFileSync(path.join(import.meta.dirname, '../src/server/library.ts'), 'utf8');
/** Where lines end that are long enough to be typed. */
const lineEnds = Array.from(file.matchAll(/.{20,}$/gm), (line) => line.index + line[0].length);
let nTurns = 0;
/** Lets training go on. */
let release = () => {};
const trainer = startTrainer();
try {
  await inTime(ensemble.ready(), 'the members');
  const [without, withTraining] = await takeTurns(
    [
      { name: 'without', run: (round) => block('without', round, () => {}) },
      { name: 'with', run: (round) => block('with', round, () => release()) },
    ],
    { warmUps: 1, rounds: nRounds },
  );
  report(without, withTraining);
  if (nTurns === 0) {
    console.error('No policy was trained to its end meanwhile: more --rounds or --requests are needed.');
    process.exitCode = 1;
  }
} finally {
  await trainer.close();
  await ensemble.close();
  ledger.close();
  rmSync(folder, { recursive: true, force: true });
}

/** Completes at the cursors of the round and the condition, one after the other; milliseconds of each. */
async function block(
  condition: 'without' | 'with',
  round: number,
  goOn: () => void,
): Promise<readonly number[]> {
  const began = performance.now();
  const firstIdx = (2 * (round + 1) + (condition === 'with' ? 1 : 0)) * nRequests;
  goOn();
  await wait(500);
  const latencies: number[] = [];
  for (let i = 0; i < nRequests; i++) {
    const request = {
      uri: 'file:///library.ts',
      languageId: 'typescript',
      ...typedAt(firstIdx + i),
      isExplicit: true,
    };
    const started = performance.now();
    trainer.busy();
    await inTime(ensemble.engine.complete(request, new AbortController().signal), 'a completion');
    latencies.push(performance.now() - started);
    await wait(pauseMs.training);
    goOn();
    await wait(pauseMs.request - pauseMs.training);
  }
  trainer.busy();
  const took = (performance.now() - began) / 1000;
  console.error(`round ${round + 1} of ${nRounds}, ${condition} training: ${took.toFixed(1)} s`);
  return latencies;
}

/**
 * A line of which the end has yet to be typed: two characters more at each request, then another line. What follows the cursor
 * stays the same meanwhile, as it does for somebody who types: a member reads on from where it was.
 */
function typedAt(requestIdx: number): { readonly text: string; readonly offset: number } {
  const place = Math.floor(requestIdx / requestsPerPlace);
  const end = lineEnds[(place * 7) % lineEnds.length];
  const offset = end - 12 + 2 * (requestIdx % requestsPerPlace);
  return { text: file.slice(0, offset) + file.slice(end), offset };
}

async function inTime<Value>(work: Promise<Value>, what: string): Promise<Value> {
  const clock = new AbortController();
  const late = wait(deadlineMs, undefined, { signal: clock.signal }).then(() => {
    throw new Error(`Waited ${deadlineMs} ms for ${what}.`);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clock.abort();
    late.catch(() => {});
  }
}

function startTrainer(): Trainer {
  return new Trainer({
    ledgerPath: ledger.path,
    isOn: () => true,
    shipped: () => null,
    isOnBattery: async () => false,
    rest: { idleMs: 0, betweenTurnsMs: 0 },
    schedule(milliseconds, run) {
      // The end of a completion comes when it is over; a turn, at once.
      if (milliseconds > 0) {
        release = run;
        return () => {};
      }
      const timer = setTimeout(run);
      return () => clearTimeout(timer);
    },
    log,
    onLearned() {
      nTurns++;
      // So that there is something to train again.
      ledger.write((session) => session.run('DELETE FROM policy_versions'));
    },
  });
}

function report(without: readonly (readonly number[])[], withTraining: readonly (readonly number[])[]): void {
  const before = distributionOf(without.flat());
  const after = distributionOf(withTraining.flat());
  const ratio = {
    p50: ratioOf(without, withTraining, ({ p50 }) => p50),
    p95: ratioOf(without, withTraining, ({ p95 }) => p95),
  };
  const result = {
    machine,
    rounds: nRounds,
    requestsPerRound: nRequests,
    policiesTrained: nTurns,
    milliseconds: { without: before, with: after },
    ratio,
    goal,
  };
  if (values.json) {
    console.log(JSON.stringify(result, undefined, 2));
    return;
  }
  if (machine.warning) console.log(machine.warning);
  const shown = (ms: number) => `${ms.toFixed(1)} ms`;
  const spread = ({ value, low, high }: Ratio) =>
    `${value.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
  console.log(
    `without training: p50 ${shown(before.p50)}, p95 ${shown(before.p95)} (${before.n} completions)`,
  );
  console.log(
    `with training:    p50 ${shown(after.p50)}, p95 ${shown(after.p95)} (${nTurns} policies trained)`,
  );
  console.log(`ratio:            p50 ${spread(ratio.p50)}, p95 ${spread(ratio.p95)}; goal: p95 ≤ ${goal}`);
}

interface Ratio {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Of a quantile of all latencies, with training ÷ without; whole rounds are drawn with replacement. */
function ratioOf(
  without: readonly (readonly number[])[],
  withTraining: readonly (readonly number[])[],
  quantile: (distribution: Distribution) => number,
): Ratio {
  const random = randomNumbers(1);
  const nResamples = 2000;
  const ratio = (rounds: readonly number[]) => {
    const of = (all: readonly (readonly number[])[]) =>
      quantile(distributionOf(rounds.flatMap((round) => all[round])));
    return of(withTraining) / of(without);
  };
  const rounds = without.map((_, round) => round);
  const resampled = Array.from({ length: nResamples }, () =>
    ratio(rounds.map(() => Math.floor(random() * rounds.length))),
  ).sort((a, b) => a - b);
  return {
    value: ratio(rounds),
    low: resampled[Math.floor(nResamples * 0.025)],
    high: resampled[Math.ceil(nResamples * 0.975) - 1],
  };
}

async function filledLedger(at: string): Promise<Ledger> {
  const opened = await openLedger(at);
  if (opened.problem) throw new Error(opened.problem.message);
  const filled = opened.value;
  grantConsent(filled, 'bench', 0);
  const members = ['workspace', 'consort-typescript'];
  const step = (i: number): ScoredStep => ({
    observation: Float32Array.from(
      { length: members.length * MEMBER_FEATURES + SHARED_FEATURES },
      (_, k) => Math.sin(i + k) / 2,
    ),
    hedgeLogWeights: Float32Array.from(members, () => -Math.log(members.length)),
    logLikelihoods: Float32Array.from(members, (_, k) => -1 - Math.sin(i * (k + 1))),
    logStarts: Float32Array.from(members, () => -0.1),
    lexemeClass: lexemeClass.word,
    nBytes: 5,
  });
  for (let i = 0; i < 300; i++) {
    const steps = [step(i), step(i + 0.3), step(i + 0.7)];
    recordText(filled, 'bench', {
      time: i,
      languageId: 'typescript',
      members,
      observationVersion: 1,
      nBytes: 15,
      steps,
    });
  }
  return filled;
}
