/**
 * Records, and learns in turns without end, until it is killed. Training is a stand-in, so that turns follow quickly; the
 * policies are whole files. Usage: node ledgerLearner.ts PATH
 */
import { randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import { learnOnce } from '../../src/server/learning/learn.ts';
import { onlinePromotion, scheduleDefaults } from '../../src/server/learning/schedule.ts';
import { recordCompletion } from '../../src/server/ledger/completions.ts';
import { openLedger } from '../../src/server/ledger/ledger.ts';
import { recordOutcome } from '../../src/server/ledger/outcomes.ts';
import { recordText } from '../../src/server/ledger/survivingTexts.ts';
import { onlineDefaults } from '../../src/training/hyperParameters.ts';
import { hedgePolicy } from '../../src/training/onlineUpdate.ts';
import { value, workspace } from './ledgerRecords.ts';
import { toyCompletion, toyText } from './onlineMaterial.ts';

const ledger = value(await openLedger(process.argv[2], { busyTimeoutMs: 20_000 }));

for (let i = 0; ; i++) {
  const served = toyCompletion(i % 2 === 1);
  value(recordCompletion(ledger, workspace, served));
  value(recordOutcome(ledger, { completionId: served.id, time: i, kind: 'accepted', acceptedLength: 6 }));
  writeSync(1, `outcome ${served.id}\n`);
  for (let n = 0; n < 4; n++) value(recordText(ledger, workspace, toyText(true)));
  const turn = await learnOnce({
    ledger,
    holder: randomUUID(),
    shipped: null,
    hyperParameters: onlineDefaults,
    schedule: { ...scheduleDefaults, firstTexts: 4, growth: 1.1, leaseMs: 1 },
    // Whatever is worth more at a few texts is promoted.
    promotion: { ...onlinePromotion, alpha: 1, minimumTexts: 2, minimumCompletions: 0 },
    now: Date.now,
    async train({ pause }) {
      await pause();
      const { network, ...policy } = hedgePolicy();
      const stop = { ...network.stop, bias: Float32Array.of(5) };
      const changes = {
        outcomes: i,
        sampled: 0,
        texts: i,
        reliability: 1,
        expectedReward: 0,
        logLoss: 0,
        divergence: 0,
      };
      return { policy: { ...policy, network: { ...network, stop } }, changes };
    },
    pause: () => new Promise((resolve) => setImmediate(resolve)),
  });
  if (turn.value && 'version' in turn.value) writeSync(1, `${turn.value.kind} ${turn.value.version}\n`);
}
