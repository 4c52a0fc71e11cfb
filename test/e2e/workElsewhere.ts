import { drawArm } from '../../src/policy/arms.ts';
import { recordCompletion } from '../../src/server/ledger/completions.ts';
import { grantConsent } from '../../src/server/ledger/consents.ts';
import { openLedger } from '../../src/server/ledger/ledger.ts';
import { recordOutcome } from '../../src/server/ledger/outcomes.ts';
import { servingVersions } from '../../src/server/ledger/policyVersions.ts';
import { recordText } from '../../src/server/ledger/survivingTexts.ts';
import { value } from '../support/ledgerRecords.ts';
import { toyCompletion, toyText } from '../support/onlineMaterial.ts';

const workspace = 'file:///another/workspace';

/**
 * Hours of work in another window, as its background process would have recorded them: so many lines, a completion at each.
 * At every second line what Hedge shows is wrong and rejected; a challenger, if there is one, has learned to be silent there.
 */
export async function workElsewhere(ledgerPath: string, nLines: number): Promise<void> {
  const ledger = value(await openLedger(ledgerPath, { busyTimeoutMs: 5000 }));
  try {
    const time = Date.now();
    value(grantConsent(ledger, workspace, time));
    const versions = value(servingVersions(ledger));
    for (let i = 0; i < nLines; i++) {
      const isTrap = i % 2 === 1;
      const draw = drawArm(versions, Math.random);
      const isSilent = isTrap && draw.arm === 'challenger';
      const completion = toyCompletion(isTrap, {
        time,
        draw,
        ...(isSilent && { shownLength: 0, steps: [] }),
      });
      value(recordCompletion(ledger, workspace, completion));
      const what = isTrap
        ? ({ kind: 'rejected', acceptedLength: 0 } as const)
        : ({ kind: 'accepted', acceptedLength: completion.shownLength } as const);
      if (!isSilent) value(recordOutcome(ledger, { completionId: completion.id, time, ...what }));
      value(recordText(ledger, workspace, { ...toyText(isTrap), time }));
    }
  } finally {
    ledger.close();
  }
}
