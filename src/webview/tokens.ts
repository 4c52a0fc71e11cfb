import type { CompletionReport, TokenReport } from '../protocol/completion.ts';
import type { PanelTexts } from '../protocol/panel.ts';
import { barElement, element, markElement } from './elements.ts';
import { type DrawnMember, fill, formatPercent, leadingMember, percentages } from './shares.ts';

/**
 * The completion as a list of tokens under the leading members' lines, and the shares of one token below it:
 * the pointed-at one, else the chosen one. Arrow keys, Home and End choose; one token is a tab stop.
 */
export function tokenElements(
  completion: CompletionReport,
  members: readonly DrawnMember[],
  texts: PanelTexts,
  chosenIdx: number,
  onChoose: (tokenIdx: number) => void,
): { readonly list: HTMLElement; readonly details: HTMLElement } {
  const locale = document.documentElement.lang;
  const markOf = new Map(members.map(({ id, mark }) => [id, mark]));
  const details = element('div', 'details', { id: 'details' });
  const options = completion.tokens.map((token, tokenIdx) => {
    const mark = markOf.get(leadingMember(token.shares) ?? '') ?? 0;
    const option = element(
      'span',
      `token mark-${mark}`,
      { role: 'option', 'aria-label': spoken(token, members, texts, locale), 'data-token': String(tokenIdx) },
      token.text,
    );
    option.addEventListener('click', () => choose(tokenIdx));
    option.addEventListener('focus', () => choose(tokenIdx));
    option.addEventListener('pointerenter', () => describe(tokenIdx));
    return option;
  });
  const list = element(
    'div',
    'code',
    { role: 'listbox', 'aria-label': texts.tokensLabel, 'aria-orientation': 'horizontal' },
    ...options,
  );
  let chosen = chosenIdx;
  list.addEventListener('pointerleave', () => describe(chosen));
  list.addEventListener('keydown', (event) => {
    const next = destination(event.key, chosen, options.length);
    if (next === undefined) return;
    event.preventDefault();
    options[next].focus();
  });
  choose(chosenIdx);
  return { list, details };

  function choose(tokenIdx: number): void {
    chosen = tokenIdx;
    for (const [optionIdx, option] of options.entries()) {
      option.tabIndex = optionIdx === tokenIdx ? 0 : -1;
      option.setAttribute('aria-selected', String(optionIdx === tokenIdx));
    }
    describe(tokenIdx);
    onChoose(tokenIdx);
  }

  function describe(tokenIdx: number): void {
    const token = completion.tokens[tokenIdx];
    details.replaceChildren(
      element(
        'h3',
        '',
        {},
        element('span', 'secondary', {}, fill(texts.tokenOf, tokenIdx + 1, options.length)),
        element('code', '', {}, visible(token.text, texts)),
      ),
      sharesElement(token, members, texts, locale),
    );
  }
}

/** The token to begin with: the first that is not white space. */
export function firstToken(tokens: readonly TokenReport[]): number {
  return Math.max(
    0,
    tokens.findIndex(({ text }) => text.trim() !== ''),
  );
}

function sharesElement(
  token: TokenReport,
  members: readonly DrawnMember[],
  texts: PanelTexts,
  locale: string,
): HTMLElement {
  const percents = percentages(token.shares);
  const rows = members
    .filter(({ id }) => id in token.shares)
    .map(({ id, name, mark }) =>
      element(
        'li',
        '',
        { 'data-member': id, 'data-share': String(token.shares[id]) },
        markElement(mark),
        element('span', 'name', {}, name),
        element('span', 'number', {}, formatPercent(percents[id], locale)),
        barElement({ mark, fraction: token.shares[id] }),
      ),
    );
  return element('ul', 'shares', { 'aria-label': texts.sharesOfToken }, ...rows);
}

function spoken(
  token: TokenReport,
  members: readonly DrawnMember[],
  texts: PanelTexts,
  locale: string,
): string {
  const percents = percentages(token.shares);
  const parts = members
    .filter(({ id }) => id in token.shares)
    .toSorted((one, other) => token.shares[other.id] - token.shares[one.id])
    .map(({ id, name }) => `${name} ${formatPercent(percents[id], locale)}`);
  return [visible(token.text, texts), ...parts].join(', ');
}

function visible(text: string, texts: PanelTexts): string {
  if (text.trim() !== '') return text.trim();
  return text.includes('\n') ? texts.lineBreak : texts.whiteSpace;
}

function destination(key: string, chosen: number, nTokens: number): number | undefined {
  switch (key) {
    case 'ArrowLeft':
    case 'ArrowUp':
      return Math.max(0, chosen - 1);
    case 'ArrowRight':
    case 'ArrowDown':
      return Math.min(nTokens - 1, chosen + 1);
    case 'Home':
      return 0;
    case 'End':
      return nTokens - 1;
    default:
      return undefined;
  }
}
