import { statSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import type { Frame } from 'playwright-core';
import { atEndOfFile, equal, focusEditor, matches, save, type } from './actions.ts';
import { learningChecks } from './learningChecks.ts';
import { waitUntil } from './server.ts';
import { readText, type Workbench } from './workbench.ts';

const root = resolve(import.meta.dirname, '..', '..');
const artefacts = join(root, 'artefacts');

/** What is checked, in this order: each goes on from where the one before left the workbench. */
export const checks: Readonly<Record<string, (workbench: Workbench) => Promise<void>>> = {
  'the extension asks for no proposed API': async () => {
    const manifest = JSON.parse(readText(root, 'package.json'));
    equal('enabledApiProposals' in manifest, false);
  },
  'VS Code refuses proposed API to an extension without leave': async ({ page }) => {
    const item = page.locator('.statusbar-item', { hasText: 'proposed API' });
    await item.waitFor({ timeout: 60_000 });
    matches((await item.textContent()) ?? '', /proposed API refused/);
  },
  'the extension activates and its members are ready': async (workbench) => {
    await workbench.openFile('typescript/report.ts');
    await workbench.waitForStatus(/ready/i, 60_000);
  },
  'TypeScript: ghost text, Tab, saved file': async (workbench) => {
    const before = readText(workbench.workspace, 'typescript/report.ts');
    await atEndOfFile(workbench);
    const typed = '\nfunction tally(orders: readonly Order[]) {\n  for (const ';
    await type(workbench, typed);
    const ghost = await workbench.waitForGhostText();
    await workbench.page.keyboard.press('Tab');
    await workbench.waitForNoGhostText();
    equal(await save(workbench, 'typescript/report.ts'), before + typed + ghost);
  },
  'typing along keeps the suggestion, and a word of it can be taken': async (workbench) => {
    const before = readText(workbench.workspace, 'typescript/report.ts');
    const typed = '\n    for (const ';
    await type(workbench, typed);
    // Asked for, it goes to the end of the line, so that a word is only a part of it.
    await workbench.runCommand('Consort: Complete at the Cursor');
    const ghost = await workbench.waitForGhostText();
    await type(workbench, ghost.slice(0, 3));
    equal(await workbench.waitForGhostText(), ghost.slice(3));
    await workbench.page.keyboard.press('Control+ArrowRight');
    await waitUntil(async () => (await workbench.ghostText()) !== ghost.slice(3), 5000, 'a word to be taken');
    const rest = await workbench.ghostText();
    await workbench.page.keyboard.press('Escape');
    await workbench.waitForNoGhostText();
    const taken = ghost.slice(0, ghost.length - rest.length);
    equal(taken.length > 3, true);
    equal(await save(workbench, 'typescript/report.ts'), before + typed + taken);
  },
  'Python: ghost text, Tab, saved file': async (workbench) => {
    await workbench.openFile('python/report.py');
    const before = readText(workbench.workspace, 'python/report.py');
    await atEndOfFile(workbench);
    const typed = '\n\ndef tally(stock: Stock) -> None:\n    for item in ';
    await type(workbench, typed);
    const ghost = await workbench.waitForGhostText();
    await workbench.page.keyboard.press('Tab');
    await workbench.waitForNoGhostText();
    equal(await save(workbench, 'python/report.py'), before + typed + ghost);
  },
  'the panel shows who wrote it, by pointer and by keyboard': async (workbench) => {
    await workbench.runCommand('Consort: Show Contributions');
    const panel = await workbench.panel();
    await panel.locator('[data-completion]').waitFor();
    await checkPanel(panel);
  },
  'turned off, nothing is suggested; turned on again it is, and Escape dismisses it': async (workbench) => {
    await workbench.runCommand('Consort: Turn Completions On or Off');
    await workbench.waitForStatus(/off/i);
    await focusEditor(workbench);
    await type(workbench, '\n        if item.');
    await delay(1500);
    equal(await workbench.ghostText(), '');
    await workbench.runCommand('Consort: Turn Completions On or Off');
    await workbench.waitForStatus(/ready/i);
    await workbench.runCommand('Consort: Complete at the Cursor');
    matches(await workbench.waitForGhostText(), /\S/);
    await delay(1500);
    await workbench.page.keyboard.press('Escape');
    await workbench.waitForNoGhostText();
    const before = readText(workbench.workspace, 'python/report.py');
    equal(await save(workbench, 'python/report.py'), `${before}\n        if item.`);
  },
  ...learningChecks,
  'restarted, the background process says what became of its suggestions': async (workbench) => {
    const before = workbench.backgroundProcesses();
    await workbench.runCommand('Consort: Restart Background Process');
    // What was typed on the way may have been suggested as well, so that there may be more of each.
    const counts =
      /Completions: [1-9]\d* shown, ([2-9]|\d\d+) accepted, [1-9]\d* partly accepted, [1-9]\d* rejected/;
    await waitUntil(() => /Completions: /.test(workbench.log()), 10_000, 'the outcomes in the log');
    matches(workbench.log(), counts);
    await waitForSuccessor(workbench, before);
  },
  'a killed background process comes back and completes': async (workbench) => {
    const before = workbench.backgroundProcesses();
    equal(before.length, 1);
    process.kill(before[0], 'SIGKILL');
    await waitForSuccessor(workbench, before);
    await focusEditor(workbench);
    await workbench.runCommand('Consort: Complete at the Cursor');
    matches(await workbench.waitForGhostText(30_000), /\S/);
    await workbench.page.keyboard.press('Escape');
    await workbench.waitForNoGhostText();
  },
  'the index outlives the process, in a file for its owner alone, and is erased when asked': async (
    workbench,
  ) => {
    matches(workbench.log(), /The saved index was read in/);
    const stored = workbench.storedFiles();
    equal(
      stored.map((path) => basename(path)),
      ['index-v1.bin'],
    );
    equal(statSync(stored[0]).mode & 0o777, 0o600);
    await workbench.runCommand('Consort: Erase Stored Data of This Workspace');
    await waitUntil(async () => (await workbench.messages()).length > 0, 10_000, 'word of what was erased');
    matches((await workbench.messages()).join(), /^Erased: the saved index of this workspace/);
    equal(workbench.storedFiles(), []);
    await workbench.runCommand('Notifications: Clear All Notifications');
    await workbench.runCommand('Consort: Erase Stored Data of This Workspace');
    await waitUntil(
      async () => (await workbench.messages()).length > 0,
      10_000,
      'word that nothing was left',
    );
    matches((await workbench.messages()).join(), /^Nothing was stored/);
    await workbench.runCommand('Notifications: Clear All Notifications');
  },
  screenshots: async (workbench) => {
    await workbench.openFile('typescript/orders.ts');
    await atEndOfFile(workbench);
    await workbench.page.keyboard.insertText(scene);
    await type(workbench, 'smallest');
    await workbench.waitForGhostText();
    await workbench.page.keyboard.press('Escape');
    await workbench.waitForNoGhostText();
    // Asked for, it goes to the end of the line however sure the members are.
    await workbench.runCommand('Consort: Complete at the Cursor');
    await workbench.waitForGhostText();
    // Neither the other extension's item nor the pointer belongs in the picture.
    await workbench.page.addStyleTag({ content: '[id^="consort-test"] { display: none !important; }' });
    await workbench.page.mouse.move(900, 20);
    for (const theme of ['dark', 'light', 'highContrast'] as const) {
      await workbench.setTheme(theme);
      if (theme === 'highContrast') {
        // Its theme is chosen from a list, and that ends the suggestion.
        await workbench.runCommand('Consort: Complete at the Cursor');
        await workbench.page.mouse.move(900, 20);
      }
      await workbench.waitForGhostText();
      await workbench.page.screenshot({ path: join(artefacts, `completion-${theme}.png`) });
      const panel = await workbench.panel();
      const colours = await panel.evaluate<string[]>(
        "[...document.querySelectorAll('.members .stretch')].map((bar) => getComputedStyle(bar).backgroundColor)",
      );
      equal(colours.length >= 2, true);
      equal(new Set(colours).size, colours.length);
      equal(colours.includes('rgba(0, 0, 0, 0)'), false);
    }
    await workbench.page.keyboard.press('Escape');
  },
  'the page asked nothing of the network, and no message popped up': async (workbench) => {
    equal([...workbench.foreignRequests], []);
    equal(await workbench.messages(), []);
  },
};

const scene = `
export function smallestOrder(orders: readonly Order[]): Order | undefined {
  let smallest: Order | undefined;
  for (const order of orders) {
    if (`;

async function checkPanel(panel: Frame): Promise<void> {
  const shares = (selector: string) =>
    panel
      .locator(`${selector} [data-share]`)
      .evaluateAll((elements) => elements.map((element) => Number(element.getAttribute('data-share'))));
  const percents = async (selector: string) =>
    (await panel.locator(`${selector} .number`).allTextContents()).map((text) => Number.parseFloat(text));
  const sum = (numbers: readonly number[]) => numbers.reduce((total, number) => total + number, 0);

  const tokens = panel.locator('[role=option]');
  const nTokens = await tokens.count();
  for (let tokenIdx = 0; tokenIdx < nTokens; tokenIdx++) {
    await tokens.nth(tokenIdx).hover();
    const exact = await shares('.details');
    equal(exact.length >= 2, true);
    equal(Math.abs(sum(exact) - 1) < 1e-6, true);
    equal(Math.abs(sum(await percents('.details')) - 100) < 0.01, true);
  }
  equal(Math.abs(sum(await shares('.members')) - 1) < 1e-6, true);

  await tokens.first().focus();
  await panel.page().keyboard.press('End');
  equal(await tokens.last().getAttribute('aria-selected'), 'true');
  await panel.page().keyboard.press('Home');
  equal(await tokens.first().getAttribute('aria-selected'), 'true');
  matches((await tokens.first().getAttribute('aria-label')) ?? '', /%/);
}

/** Waits until the background process is another one than before, and ready. */
async function waitForSuccessor(workbench: Workbench, before: readonly number[]): Promise<void> {
  const isThere = () => {
    const now = workbench.backgroundProcesses();
    return now.length === 1 && !before.includes(now[0]);
  };
  await waitUntil(isThere, 20_000, 'a new background process');
  await workbench.waitForStatus(/ready/i, 60_000);
}
