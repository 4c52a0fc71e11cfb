/**
 * What training costs a completion: p95 latency with the trainer at work ÷ without.
 * Usage: node bench/trainingLatency.ts [--requests N]
 * The worst case: training goes on again a tenth of a second after each completion (in the product two), one turn after the
 * other, so that every request finds it at work and has to stop it. The two conditions take turns, in blocks.
 */
import '../src/config/noTelemetry.ts';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { parseArgs } from 'node:util';
import { parseSettings } from '../src/config/settings.ts';
import { lexemeClass } from '../src/lm/lexeme.ts';
import { MEMBER_FEATURES, SHARED_FEATURES } from '../src/policy/features.ts';
import type { ScoredStep } from '../src/policy/recordedPolicy.ts';
import { startEnsemble } from '../src/server/ensemble.ts';
import { Trainer } from '../src/server/learning/trainer.ts';
import { grantConsent } from '../src/server/ledger/consents.ts';
import { type Ledger, openLedger } from '../src/server/ledger/ledger.ts';
import { recordText } from '../src/server/ledger/survivingTexts.ts';
import { createLog } from '../src/server/log.ts';
import { distributionOf } from './support/statistics.ts';

const { values } = parseArgs({ options: { requests: { type: 'string', default: '120' } } });
const nRequests = Number(values.requests);
const nBlocks = 6;
/** From the end of a completion to the next request, and to the moment when training goes on; in milliseconds. */
const pauseMs = { request: 250, training: 100 };

const folder = mkdtempSync(path.join(tmpdir(), 'consort-bench-'));
const log = createLog(() => {}, 'off');
const { settings } = parseSettings(undefined);
const ensemble = startEnsemble({
  settings,
  modelsPath: undefined,
  trusted: true,
  folders: [],
  log,
  memberDeadlineMs: 60_000,
  onChange: () => {},
});
await ensemble.ready();
const ledger = await filledLedger(path.join(folder, 'ledger.sqlite'));
const file = path.join(import.meta.dirname, '../src/server/library.ts');
const text = readFileSync(file, 'utf8');
let nTurns = 0;

const latencies: Record<'without' | 'with', number[]> = { without: [], with: [] };
await block('without', 8);
latencies.without.length = 0;
for (let i = 0; i < nBlocks; i++) {
  await block('without', nRequests / nBlocks);
  const trainer = startTrainer();
  await wait(1500);
  await block('with', nRequests / nBlocks, () => trainer.busy());
  await trainer.close();
}
await ensemble.close();
ledger.close();
rmSync(folder, { recursive: true, force: true });

const before = distributionOf(latencies.without);
const after = distributionOf(latencies.with);
const shown = (ms: number) => `${ms.toFixed(1)} ms`;
console.log(`without training: p50 ${shown(before.p50)}, p95 ${shown(before.p95)}`);
console.log(
  `with training:    p50 ${shown(after.p50)}, p95 ${shown(after.p95)} (${nTurns} policies were trained)`,
);
console.log(
  `ratio:            p50 ${(after.p50 / before.p50).toFixed(2)}, p95 ${(after.p95 / before.p95).toFixed(2)}`,
);

/** Requests one after the other down the file. */
async function block(
  condition: keyof typeof latencies,
  n: number,
  before: () => void = () => {},
): Promise<void> {
  for (let i = 0; i < n; i++) {
    const done = latencies.without.length + latencies.with.length;
    const offset = text.indexOf('\n', 500 + ((done * 97) % (text.length - 1000))) - 4;
    const started = performance.now();
    before();
    const uri = 'file:///library.ts';
    const request = { uri, languageId: 'typescript', text, offset, isExplicit: true };
    await ensemble.engine.complete(request, new AbortController().signal);
    latencies[condition].push(performance.now() - started);
    await wait(pauseMs.request);
  }
}

function startTrainer(): Trainer {
  return new Trainer({
    ledgerPath: ledger.path,
    isOn: () => true,
    shipped: () => null,
    isOnBattery: async () => false,
    // Only how long it waits after a completion is less than a minute.
    schedule(milliseconds, run) {
      const timer = setTimeout(run, milliseconds < 60_000 ? pauseMs.training : 0);
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

async function filledLedger(at: string): Promise<Ledger> {
  const opened = await openLedger(at);
  if (opened.problem) throw new Error(opened.problem.message);
  const filled = opened.value;
  grantConsent(filled, 'bench', 0);
  const members = ['workspace', 'consort-typescript', 'consort-typescript-2m'];
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
