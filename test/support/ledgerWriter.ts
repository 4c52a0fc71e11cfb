/**
 * Writes to a ledger without end and says on stdout what has been acknowledged, until it is killed.
 * Usage: node ledgerWriter.ts PATH [NUMBER OF COMPLETIONS]
 */
import { randomUUID } from 'node:crypto';
import { writeSync } from 'node:fs';
import { recordCompletion } from '../../src/server/ledger/completions.ts';
import { acquireLease, releaseLease } from '../../src/server/ledger/leases.ts';
import { openLedger } from '../../src/server/ledger/ledger.ts';
import { recordOutcome } from '../../src/server/ledger/outcomes.ts';
import {
  addPolicyVersion,
  promote,
  rollBack,
  servingVersions,
} from '../../src/server/ledger/policyVersions.ts';
import { applyRetention, retentionDefaults } from '../../src/server/ledger/retention.ts';
import { recordText } from '../../src/server/ledger/survivingTexts.ts';
import { completion, survivingText, value, workspace } from './ledgerRecords.ts';

const [, , path, limit] = process.argv;
const ledger = value(await openLedger(path, { busyTimeoutMs: 20_000 }));
const lease = { name: 'trainer', holder: randomUUID() };
const policyFile = JSON.stringify({ weights: 'consort'.repeat(6000) });

/** In one call, so that a line is there whole or not at all. */
function acknowledge(...words: readonly (string | number)[]): void {
  writeSync(1, `${words.join(' ')}\n`);
}

for (let nDone = 0; limit === undefined || nDone < Number(limit); nDone++) {
  const served = completion();
  value(recordCompletion(ledger, workspace, served));
  value(recordOutcome(ledger, { completionId: served.id, time: nDone, kind: 'accepted', acceptedLength: 7 }));
  acknowledge('outcome', served.id);
  if (limit !== undefined || nDone % 4 !== 0) continue;
  value(recordText(ledger, workspace, survivingText()));
  value(acquireLease(ledger, { ...lease, now: Date.now(), durationMs: 1 }));
  const { champion } = value(servingVersions(ledger));
  const added = { parent: champion, origin: 'trained', state: 'challenger', time: nDone } as const;
  const version = value(addPolicyVersion(ledger, { ...added, changes: { texts: nDone }, file: policyFile }));
  acknowledge('added', version);
  if (version === 'leaseLost') continue;
  const promotion = value(promote(ledger, version, { time: nDone, evaluation: { loss: -0.01 } }));
  if (promotion === 'done') acknowledge('promoted', version);
  if (nDone % 8 === 0) {
    const rollback = value(rollBack(ledger, version, { time: nDone, evaluation: { reward: -0.5 } }));
    if (rollback === 'done') acknowledge('rolledBack', version);
  }
  value(applyRetention(ledger, 0, { ...retentionDefaults, maximumVersions: 4 }));
  value(releaseLease(ledger, lease));
}
