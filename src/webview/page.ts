import type { CompletionReport } from '../protocol/completion.ts';
import type { EnsembleStatus, MemberStatus } from '../protocol/messages.ts';
import type { PanelCommand, PanelState, PanelTexts } from '../protocol/panel.ts';
import { barElement, element, markElement } from './elements.ts';
import { learningText } from './learningText.ts';
import {
  type DrawnMember,
  drawnMembers,
  fill,
  formatBytes,
  formatMilliseconds,
  formatPercent,
  percentages,
  type Shares,
  totalShares,
} from './shares.ts';
import { tokenElements } from './tokens.ts';

export interface PageEvents {
  choose(tokenIdx: number): void;
  run(command: PanelCommand): void;
}

/** The whole page for a state. `chosenIdx` is the token whose shares are shown. */
export function pageElements(
  state: PanelState,
  texts: PanelTexts,
  chosenIdx: number,
  events: PageEvents,
): readonly HTMLElement[] {
  const { completion, ensemble } = state;
  const shares = completion === null ? {} : totalShares(completion.tokens);
  const members = drawnMembers(ensemble, shares);
  return [
    ...noticeElements(state, texts, events),
    ...(completion === null
      ? []
      : [completionElement(state, completion, members, texts, chosenIdx, events.choose)]),
    ...(ensemble === null ? [] : [membersElement(ensemble, members, completion, shares, texts)]),
  ];
}

function completionElement(
  state: PanelState,
  completion: CompletionReport,
  members: readonly DrawnMember[],
  texts: PanelTexts,
  chosenIdx: number,
  onChoose: (tokenIdx: number) => void,
): HTMLElement {
  const { list, details } = tokenElements(completion, members, texts, chosenIdx, onChoose);
  return element(
    'section',
    'completion',
    { 'aria-label': texts.lastCompletion, 'data-completion': completion.id },
    heading(texts.lastCompletion, latencyElement(completion, texts)),
    list,
    endElement(state, completion, texts),
    details,
  );
}

/** What to do first where there is nothing to see, or where something is wrong: one title, one action. */
function noticeElements(state: PanelState, texts: PanelTexts, events: PageEvents): HTMLElement[] {
  if (state.hostState === 'off') {
    return [
      notice('off', texts.offTitle, texts.offText, texts.offAction, () => events.run('consort.toggle')),
    ];
  }
  if (state.hostState === 'failed') {
    const restart = () => events.run('consort.restart');
    return [notice('failed', texts.failedTitle, state.hostMessage, texts.failedAction, restart)];
  }
  if (state.completion !== null) return [];
  if (state.hostState === 'starting') return [notice('starting', texts.startingTitle, texts.startingText)];
  const trigger = () => events.run('consort.trigger');
  const reason = state.silence && fill(texts.nothingShown, texts.silences[state.silence]);
  return [notice('empty', texts.emptyTitle, reason ?? texts.emptyText, texts.emptyAction, trigger)];
}

function notice(kind: string, title: string, text: string, action?: string, run?: () => void): HTMLElement {
  const section = element(
    'section',
    'notice',
    { 'data-notice': kind, role: 'status' },
    element('h2', '', {}, title),
    element('p', 'secondary', {}, text),
  );
  if (action !== undefined && run !== undefined) {
    const button = element('button', '', { type: 'button' }, action);
    button.addEventListener('click', run);
    section.append(button);
  }
  return section;
}

function latencyElement({ latencyMs }: CompletionReport, texts: PanelTexts): HTMLElement {
  const locale = document.documentElement.lang;
  const [total, prefill, decode, policy] = [
    latencyMs.total,
    latencyMs.prefill,
    latencyMs.decode,
    latencyMs.policy,
  ].map((part) => formatMilliseconds(part, locale));
  const title = fill(texts.latencyParts, total, prefill, decode, policy);
  return element('span', 'number secondary', { title, id: 'latency' }, fill(texts.latency, total));
}

function endElement(
  { silence }: PanelState,
  { stopReason }: CompletionReport,
  texts: PanelTexts,
): HTMLElement {
  const lines = [
    stopReason === null ? '' : texts.stopReasons[stopReason],
    silence === null ? '' : fill(texts.nothingShown, texts.silences[silence]),
  ];
  return element('p', 'secondary', { id: 'end' }, lines.filter((line) => line !== '').join(' '));
}

function membersElement(
  ensemble: EnsembleStatus,
  members: readonly DrawnMember[],
  completion: CompletionReport | null,
  shares: Shares,
  texts: PanelTexts,
): HTMLElement {
  const percents = percentages(shares);
  const stretches = members
    .filter(({ id }) => id in shares)
    .map(({ id, mark }) => ({ mark, fraction: shares[id] }));
  const status = new Map(ensemble.members.map((member) => [member.id, member]));
  const rows = members.map((member) => {
    const known = status.get(member.id);
    const row = element('li', '', { 'data-member': member.id });
    const about = known === undefined ? '' : aboutMember(known, texts);
    row.append(markElement(member.mark), element('span', 'name', { title: member.id }, member.name));
    if (member.id in shares) row.append(shareElement(member.id, shares, percents, texts));
    else if (completion !== null) row.append(element('span', 'absent secondary', {}, texts.notTakingPart));
    row.append(element('span', 'about secondary', {}, about));
    if (known?.state === 'failed' && known.message)
      row.append(element('span', 'about error', {}, known.message));
    return row;
  });
  const { policy, index, learning } = ensemble;
  const files = new Intl.NumberFormat(document.documentElement.lang).format(index.files);
  const facts = [
    fill(texts.policy, `${policy.name} ${policy.version}`),
    fill(index.state === 'indexing' ? texts.indexing : texts.indexed, files),
  ];
  return element(
    'section',
    'members',
    { 'aria-label': texts.members },
    heading(texts.members),
    ...(completion === null ? [] : [barElement(...stretches)]),
    element('ul', 'shares', {}, ...rows),
    element('p', 'secondary', {}, facts.join(' · ')),
    element('p', 'secondary', { id: 'learning' }, learningText(learning, texts)),
    ...[policy.message, learning.message]
      .filter((message) => message !== undefined)
      .map((message) => element('p', 'error', {}, message)),
  );
}

function shareElement(id: string, shares: Shares, percents: Shares, texts: PanelTexts): HTMLElement {
  const share = formatPercent(percents[id], document.documentElement.lang);
  const label = fill(texts.shareOfCompletion, share);
  return element(
    'span',
    'number',
    { 'data-share': String(shares[id]), 'aria-label': label, role: 'img', title: label },
    share,
  );
}

function aboutMember(member: MemberStatus, texts: PanelTexts): string {
  const locale = document.documentElement.lang;
  const { latencyMs } = member;
  return [
    texts.memberKinds[member.kind],
    texts.memberStates[member.state],
    ...(member.sizeBytes > 0 ? [formatBytes(member.sizeBytes, locale)] : []),
    ...(latencyMs === null ? [] : [fill(texts.usualLatency, formatMilliseconds(latencyMs.p50, locale))]),
  ].join(' · ');
}

function heading(title: string, ...beside: readonly HTMLElement[]): HTMLElement {
  return element('h2', '', {}, element('span', '', {}, title), ...beside);
}
