import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { atEndOfFile, equal, matches, save, type } from './actions.ts';
import { waitUntil } from './server.ts';
import type { Workbench } from './workbench.ts';

const artefacts = join(resolve(import.meta.dirname, '..', '..'), 'artefacts');
const path = 'typescript/money.ts';

/** From the first question to what was learned, through the real user interface. */
export const learningChecks: Readonly<Record<string, (workbench: Workbench) => Promise<void>>> = {
  'before anybody agrees there is no ledger': async (workbench) => {
    equal(existsSync(workbench.ledgerPath), false);
    await workbench.runCommand('Consort: Show Contributions');
    equal(await learningText(workbench), 'Does not learn here');
  },
  'some accepted completions later it asks once whether it may learn; Yes makes a ledger': async (
    workbench,
  ) => {
    await workbench.openFile(path);
    await atEndOfFile(workbench);
    for (let i = 0; i < 8 && (await workbench.messages()).length === 0; i++) await takeOne(workbench, i);
    matches((await workbench.messages()).join(), /^May Consort learn .* never source text or file names/);
    await workbench.page.screenshot({ path: join(artefacts, 'consent.png') });
    equal(existsSync(workbench.ledgerPath), false);
    await workbench.page.locator('.notification-list-item .monaco-button', { hasText: /^Yes$/ }).click();
    await waitUntil(() => existsSync(workbench.ledgerPath), 10_000, 'the ledger');
    await waitUntil(
      async () => (await learningText(workbench)).startsWith('Learns here'),
      10_000,
      'the panel',
    );
    await workbench.runCommand('Notifications: Clear All Notifications');
  },
  'what is accepted and what is rejected is in the ledger': async (workbench) => {
    await atEndOfFile(workbench);
    await takeOne(workbench, 8);
    await waitUntil(() => outcomes(workbench, 'accepted') > 0, 10_000, 'an accepted completion');
    await type(workbench, '\n  return ');
    await workbench.runCommand('Consort: Complete at the Cursor');
    await workbench.waitForGhostText();
    await delay(1500);
    await workbench.page.keyboard.press('Escape');
    await waitUntil(() => outcomes(workbench, 'rejected') > 0, 10_000, 'a rejected completion');
    await save(workbench, path);
  },
  'what was learned is told, with the counts': async (workbench) => {
    const rows = await workbench.runPick('Consort: Show What Was Learned');
    const row = rows.filter({ hasText: 'completions recorded' });
    // What was typed on the way may have been suggested as well, so that there may be more of each.
    matches((await row.textContent()) ?? '', /[1-9]\d* accepted, \d+ in part, [1-9]\d* rejected/);
    await workbench.page.screenshot({ path: join(artefacts, 'learned.png') });
    await workbench.page.keyboard.press('Escape');
  },
};

/** What the panel says about learning, the version that serves included. */
async function learningText(workbench: Workbench): Promise<string> {
  const panel = await workbench.panel();
  return (await panel.locator('#learning').textContent()) ?? '';
}

/** Asks for a completion and takes it. */
async function takeOne(workbench: Workbench, i: number): Promise<void> {
  await type(workbench, `\nexport function taken${i}(money: Money) {`);
  await workbench.page.keyboard.press('Enter');
  await type(workbench, 'return ');
  await workbench.runCommand('Consort: Complete at the Cursor');
  await workbench.waitForGhostText();
  await workbench.page.keyboard.press('Tab');
  await workbench.waitForNoGhostText();
}

function outcomes({ ledgerPath }: Workbench, kind: string): number {
  const database = new DatabaseSync(ledgerPath, { readOnly: true });
  try {
    const rows = database.prepare('SELECT 1 FROM outcomes WHERE kind = ?').all(kind);
    return rows.length;
  } finally {
    database.close();
  }
}
