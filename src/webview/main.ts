import './panel.css';
import type { FromPanel, PanelState, PanelTexts, ToPanel } from '../protocol/panel.ts';
import { pageElements } from './page.ts';
import { firstToken } from './tokens.ts';

/** What the page remembers while it is hidden. */
interface Remembered {
  readonly texts: PanelTexts | null;
  readonly state: PanelState | null;
  readonly chosen: { readonly completionId: string; readonly tokenIdx: number } | null;
}

declare function acquireVsCodeApi(): {
  postMessage(message: FromPanel): void;
  getState(): Remembered | undefined;
  setState(state: Remembered): void;
};

const host = acquireVsCodeApi();
let remembered: Remembered = host.getState() ?? { texts: null, state: null, chosen: null };

addEventListener('message', ({ data }: MessageEvent<ToPanel>) => {
  if (data.type === 'texts') remember({ texts: data.texts });
  else remember({ state: data.state });
  draw();
});
draw();
host.postMessage({ type: 'ready' });

function draw(): void {
  const panel = document.getElementById('panel');
  const { texts, state } = remembered;
  if (panel === null || texts === null || state === null) return;
  const completion = state.completion;
  const chosenIdx =
    completion === null
      ? 0
      : remembered.chosen?.completionId === completion.id
        ? remembered.chosen.tokenIdx
        : firstToken(completion.tokens);
  const focused = panel.querySelector('[role=option]:focus') !== null;
  panel.replaceChildren(
    ...pageElements(state, texts, chosenIdx, {
      choose(tokenIdx) {
        if (completion !== null) remember({ chosen: { completionId: completion.id, tokenIdx } });
      },
      run: (command) => host.postMessage({ type: 'run', command }),
    }),
  );
  if (focused) panel.querySelector<HTMLElement>('[role=option][tabindex="0"]')?.focus();
}

function remember(change: Partial<Remembered>): void {
  remembered = { ...remembered, ...change };
  host.setState(remembered);
}
