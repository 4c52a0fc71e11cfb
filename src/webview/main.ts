import './panel.css';
import type { FromPanel, PanelState, PanelTexts, ToPanel } from '../protocol/panel.ts';
import { pageElements } from './page.ts';
import { firstToken } from './tokens.ts';

/** Whose shares are shown. VS Code keeps it on disk while the page is hidden, so no text may be in it. */
interface Chosen {
  readonly completionId: string;
  readonly tokenIdx: number;
}

declare function acquireVsCodeApi(): {
  postMessage(message: FromPanel): void;
  getState(): Chosen | undefined;
  setState(state: Chosen): void;
};

const host = acquireVsCodeApi();
let texts: PanelTexts | undefined;
let state: PanelState | undefined;

addEventListener('message', ({ data }: MessageEvent<ToPanel>) => {
  if (data.type === 'texts') texts = data.texts;
  else state = data.state;
  draw();
});
host.postMessage({ type: 'ready' });

function draw(): void {
  const panel = document.getElementById('panel');
  if (panel === null || texts === undefined || state === undefined) return;
  const focused = panel.querySelector('[role=option]:focus') !== null;
  const { completion } = state;
  panel.replaceChildren(
    ...pageElements(state, texts, completion === null ? 0 : chosenToken(completion), {
      choose(tokenIdx) {
        if (completion !== null) host.setState({ completionId: completion.id, tokenIdx });
      },
      run: (command) => host.postMessage({ type: 'run', command }),
    }),
  );
  if (focused) panel.querySelector<HTMLElement>('[role=option][tabindex="0"]')?.focus();
}

function chosenToken({ id, tokens }: NonNullable<PanelState['completion']>): number {
  const chosen = host.getState();
  return chosen?.completionId === id ? chosen.tokenIdx : firstToken(tokens);
}
