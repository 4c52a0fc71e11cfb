import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';
import * as z from 'zod';
import type { FromPanel, PanelState, ToPanel } from '../protocol/panel.ts';
import { panelTexts } from './panelTexts.ts';

export const panelViewId = 'consort.contributions';

/** The side panel's host side: keeps the state and gives it to the page whenever there is one. */
export interface Panel extends vscode.WebviewViewProvider {
  update(change: Partial<PanelState>): void;
}

export function createPanel(extensionUri: vscode.Uri): Panel {
  const folder = vscode.Uri.joinPath(extensionUri, 'dist', 'webview');
  let view: vscode.WebviewView | undefined;
  let state: PanelState = {
    hostState: 'starting',
    hostMessage: '',
    completion: null,
    silence: null,
    ensemble: null,
  };

  return {
    update(change) {
      state = { ...state, ...change };
      post({ type: 'state', state });
    },
    resolveWebviewView(resolved) {
      view = resolved;
      view.webview.options = { enableScripts: true, localResourceRoots: [folder] };
      view.webview.onDidReceiveMessage((message: unknown) => receive(message));
      view.onDidChangeVisibility(() => post({ type: 'state', state }));
      view.onDidDispose(() => {
        view = undefined;
      });
      view.webview.html = html(view.webview, folder);
    },
  };

  /** A hidden page is not told: it asks when it is shown again. */
  function post(message: ToPanel): void {
    if (view?.visible) void view.webview.postMessage(message);
  }

  function receive(message: unknown): void {
    const parsed = fromPanel.safeParse(message);
    if (!parsed.success) return;
    if (parsed.data.type === 'run') void vscode.commands.executeCommand(parsed.data.command);
    else {
      post({ type: 'texts', texts: panelTexts() });
      post({ type: 'state', state });
    }
  }
}

const fromPanel = z.discriminatedUnion('type', [
  z.object({ type: z.literal('ready') }),
  z.object({
    type: z.literal('run'),
    command: z.enum(['consort.trigger', 'consort.toggle', 'consort.restart']),
  }),
]) satisfies z.ZodType<FromPanel>;

function html(webview: vscode.Webview, folder: vscode.Uri): string {
  const nonce = randomBytes(16).toString('base64');
  const file = (name: string) => webview.asWebviewUri(vscode.Uri.joinPath(folder, name));
  return `<!DOCTYPE html>
<html lang="${vscode.env.language}">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src ${webview.cspSource}; script-src 'nonce-${nonce}'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<link rel="stylesheet" href="${file('main.css')}">
<title>Consort</title>
</head>
<body>
<main id="panel"></main>
<script nonce="${nonce}" src="${file('main.js')}"></script>
</body>
</html>`;
}
