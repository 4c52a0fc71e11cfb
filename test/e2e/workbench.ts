import { globSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { chromium, type Frame, type Locator, type Page } from 'playwright-core';
import { ensureChromium } from '../../scripts/systemTools.ts';
import { processesRunning, startServer, waitUntil } from './server.ts';

export type Theme = 'dark' | 'light' | 'highContrast';

/** A real VS Code with the extensions installed, in a real Chromium, on a copy of the sample workspace. */
export interface Workbench extends AsyncDisposable {
  readonly page: Page;
  /** The copy of the sample: what is saved in the editor is here. */
  readonly workspace: string;
  /** Hosts other than loopback that the page asked for; nothing is reachable. */
  readonly foreignRequests: ReadonlySet<string>;
  openFile(path: string): Promise<void>;
  runCommand(title: string): Promise<void>;
  /** Runs a command that goes on in the same input; gives the rows that it offers there. */
  runPick(title: string): Promise<Locator>;
  setTheme(theme: Theme): Promise<void>;
  /** What the status bar's item says. */
  status(): Promise<string>;
  waitForStatus(wanted: RegExp, timeoutMs?: number): Promise<void>;
  /** The ghost text on display, its lines joined; empty where there is none. */
  ghostText(): Promise<string>;
  waitForGhostText(timeoutMs?: number): Promise<string>;
  waitForNoGhostText(): Promise<void>;
  /** The document of the panel. */
  panel(): Promise<Frame>;
  /** Process ids of the extension's background process. */
  backgroundProcesses(): readonly number[];
  /** What the extension and its background process have logged. */
  log(): string;
  /** Where the ledger is, once there is one. */
  readonly ledgerPath: string;
  /** Files of the extension's storage of the workspace. */
  storedFiles(): readonly string[];
  messages(): Promise<readonly string[]>;
}

export async function openWorkbench(options: {
  readonly vsixPaths: readonly string[];
  readonly sample: string;
  /** Device pixels per pixel of the page: more make finer screenshots and a slower test. */
  readonly scale: number;
}): Promise<Workbench> {
  const executablePath = ensureChromium();
  await using resources = new AsyncDisposableStack();
  const server = resources.use(await startServer(options.vsixPaths, options.sample));
  const browser = resources.adopt(await chromium.launch({ executablePath, args: hermetic }), (used) =>
    used.close(),
  );
  const context = await browser.newContext({
    viewport: { width: 1280, height: 800 },
    deviceScaleFactor: options.scale,
    colorScheme: 'dark',
  });
  const page = await context.newPage();
  const foreignRequests = new Set<string>();
  context.on('request', (request) => {
    const { protocol, hostname } = new URL(request.url());
    // A webview's own resources have an invented host that a service worker answers.
    const isVirtual = hostname.endsWith('.vscode-resource.vscode-cdn.net');
    if (protocol.startsWith('http') && hostname !== '127.0.0.1' && !isVirtual)
      foreignRequests.add(request.url());
  });
  const url = new URL(server.origin);
  url.searchParams.set('folder', server.workspace);
  await page.goto(url.href);
  await page.waitForSelector('.monaco-workbench', { timeout: 60_000 });

  const input = page.locator('.quick-input-widget input[type=text]').first();
  const item = page.locator('.statusbar-item[id^="consort.consort"] [aria-label]').first();
  const ghost = page.locator('.editor-instance').locator(ghostSelector);
  const workbench: Workbench = {
    page,
    workspace: server.workspace,
    foreignRequests,
    async openFile(path) {
      const name = path.split('/').at(-1) ?? path;
      await choose(['Control+KeyP'], path, name);
      await input.waitFor({ state: 'hidden' });
      await page.locator(`.tab.active[data-resource-name="${name}"]`).waitFor();
      await page.locator('.editor-instance .view-line').first().waitFor();
    },
    async runCommand(title) {
      await choose(['F1'], `>${title}`, title);
      await input.waitFor({ state: 'hidden' });
    },
    async runPick(title) {
      await choose(['F1'], `>${title}`, title);
      return page.locator('.quick-input-list .monaco-list-row');
    },
    async setTheme(theme) {
      if (theme === 'highContrast')
        await choose(['Control+KeyK', 'Control+KeyT'], highContrast, highContrast);
      else await page.emulateMedia({ colorScheme: theme });
      await page.locator(`.monaco-workbench.${themeClasses[theme]}`).waitFor();
      await delay(500);
    },
    async status() {
      return (await item.getAttribute('aria-label')) ?? '';
    },
    async waitForStatus(wanted, timeoutMs = 30_000) {
      await waitUntil(async () => wanted.test(await workbench.status()), timeoutMs, `status ${wanted}`);
    },
    ghostText: () => textOf(ghost),
    async waitForGhostText(timeoutMs = 15_000) {
      await ghost.first().waitFor({ timeout: timeoutMs });
      return textOf(ghost);
    },
    async waitForNoGhostText() {
      await waitUntil(async () => (await textOf(ghost)) === '', 5000, 'the ghost text to go');
    },
    async panel() {
      const outer = page.frameLocator('iframe.webview.ready').locator('#active-frame');
      const frame = await (await outer.elementHandle())?.contentFrame();
      if (!frame) throw new Error('The panel has no page.');
      await frame.locator('#panel > *').first().waitFor();
      return frame;
    },
    backgroundProcesses: () => processesRunning(join(server.extensions, 'consort.consort'), 'server.js'),
    log: () =>
      globSync(join(server.profile, 'logs', '**', 'Consort.log'))
        .map((path) => readText(path))
        .join(''),
    ledgerPath: join(server.profile, 'User', 'globalStorage', 'consort.consort', 'ledger.sqlite'),
    storedFiles: () => {
      const storage = join(server.profile, '**', 'workspaceStorage', '*', 'consort.consort', '**');
      return globSync(storage).filter((path) => statSync(path).isFile());
    },
    messages: () => page.locator('.notification-list-item-message').allTextContents(),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
  const owned = resources.move();
  return workbench;

  async function choose(keys: readonly string[], text: string, wanted: string): Promise<void> {
    await openAndFill(keys, text);
    // Under load the list may still hold what was found for an earlier text.
    const row = page.locator('.quick-input-list .monaco-list-row.focused', { hasText: wanted });
    await row.waitFor({ timeout: 20_000 });
    await page.keyboard.press('Enter');
  }

  /** The editor may take the focus back, an earlier key coming late, and then the input is gone again. */
  async function openAndFill(keys: readonly string[], text: string): Promise<void> {
    for (let attempt = 1; ; attempt++) {
      for (const key of keys) await page.keyboard.press(key);
      try {
        await input.waitFor({ state: 'visible', timeout: 5000 });
        return await input.fill(text, { timeout: 5000 });
      } catch (error) {
        if (attempt === 4) throw error;
      }
    }
  }
}

export function readText(...path: readonly string[]): string {
  return readFileSync(join(...path), 'utf8');
}

const ghostSelector = '.ghost-text-decoration, .ghost-text-decoration-preview, .ghost-text';

const hermetic = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost',
];

const highContrast = 'Dark High Contrast';

const themeClasses = {
  dark: 'vs-dark',
  light: 'vs',
  highContrast: 'hc-black',
} as const satisfies Record<Theme, string>;

/** One element per token; no-break spaces stand for spaces. */
async function textOf(ghost: Locator): Promise<string> {
  return (await ghost.allTextContents()).join('').replaceAll('\u00a0', ' ');
}
