import { existsSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { setTimeout as delay } from 'node:timers/promises';
import { atEndOfFile, equal, matches, save, type } from './actions.ts';
import { waitUntil } from './server.ts';
import type { Workbench } from './workbench.ts';
import { workElsewhere } from './workElsewhere.ts';

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
    await workbench.page.keyboard.press('Escape');
  },
  'with enough to learn from, a version is trained while the person rests; what it still lacks is told':
    async (workbench) => {
      await workElsewhere(workbench.ledgerPath, 60);
      await waitForLearningText(
        workbench,
        /^Learns here, no learned version serves yet · version 1 is on trial, not enough evidence yet: \d+ of 20 completions, \d+ of 50 texts$/,
      );
      const rows = await workbench.runPick('Consort: Show What Was Learned');
      const row = (await rows.filter({ hasText: 'Version 1' }).textContent()) ?? '';
      matches(row, /on trial · trained/);
      matches(row, /Not enough evidence yet: \d+ of 20 completions, \d+ of 50 texts/);
      await delay(300); // until the list has faded in
      await workbench.page.screenshot({ path: join(artefacts, 'learned.png') });
      await workbench.page.keyboard.press('Escape');
    },
  'with evidence it is promoted: the panel tells another version of the policy': async (workbench) => {
    equal(/ learned-/.test(await policyText(workbench)), false);
    await workElsewhere(workbench.ledgerPath, 160);
    await waitForLearningText(workbench, /^Learns here, version 1 serves/);
    matches(await policyText(workbench), / learned-1$/);
    await workbench.page.screenshot({ path: join(artefacts, 'promoted.png') });
    matches(workbench.log(), /Version 1 of the policy was promoted: it serves from now on/);
  },
  'learning turned off, what was recorded here is gone, and the shipped policy serves': async (workbench) => {
    // This one, and the one elsewhere.
    equal(nWorkspaces(workbench), 2);
    await workbench.runCommand('Consort: Turn Learning On or Off for This Workspace');
    const button = workbench.page.locator('.monaco-dialog-box .monaco-button', {
      hasText: 'Turn Learning Off',
    });
    await button.click();
    await waitForLearningText(workbench, /^Does not learn here$/);
    equal(nWorkspaces(workbench), 1);
    equal(/ learned-/.test(await policyText(workbench)), false);
    await workbench.runCommand('Notifications: Clear All Notifications');
  },
};

/** What the panel says about learning, the version that serves included. */
async function learningText(workbench: Workbench): Promise<string> {
  const panel = await workbench.panel();
  return (await panel.locator('#learning').textContent()) ?? '';
}

/** A turn of learning takes seconds, and more where the machine has other work. */
function waitForLearningText(workbench: Workbench, wanted: RegExp): Promise<void> {
  return waitUntil(
    async () => wanted.test(await learningText(workbench)),
    180_000,
    `the panel to say ${wanted}`,
  );
}

/** The policy that sets the weights, with its version, as the panel tells it. */
async function policyText(workbench: Workbench): Promise<string> {
  const panel = await workbench.panel();
  const facts =
    (await panel.locator('#learning').locator('xpath=preceding-sibling::p[1]').textContent()) ?? '';
  const [policy] = facts.split(' · ');
  matches(policy, /^Weights: /);
  return policy;
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
  return nRows(ledgerPath, 'SELECT 1 FROM outcomes WHERE kind = ?', kind);
}

/** Of which completions are in the ledger. */
function nWorkspaces({ ledgerPath }: Workbench): number {
  return nRows(ledgerPath, 'SELECT DISTINCT workspace FROM completions');
}

function nRows(ledgerPath: string, query: string, ...values: readonly string[]): number {
  const database = new DatabaseSync(ledgerPath, { readOnly: true });
  try {
    return database.prepare(query).all(...values).length;
  } finally {
    database.close();
  }
}
