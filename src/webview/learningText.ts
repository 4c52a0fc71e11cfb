import type { LearningProgress, LearningStatus } from '../protocol/messages.ts';
import type { PanelTexts } from '../protocol/panel.ts';
import { fill } from './shares.ts';

type Texts = Pick<
  PanelTexts,
  'learningOff' | 'learningOn' | 'learnedVersion' | 'gathering' | 'gathered' | 'onTrial' | 'uncertain'
>;

/** Whether it learns here, which version serves, and what is missing for the next. */
export function learningText({ state, version, progress }: LearningStatus, texts: Texts): string {
  if (state !== 'on') return texts.learningOff;
  const serving = version === null ? texts.learningOn : fill(texts.learnedVersion, version);
  return progress === undefined ? serving : `${serving} · ${missingText(progress, texts)}`;
}

function missingText(progress: LearningProgress, texts: Texts): string {
  const { have, need } = progress.texts;
  if (progress.kind === 'gathering') return have < need ? fill(texts.gathering, have, need) : texts.gathered;
  const { version, completions } = progress;
  return have < need || completions.have < completions.need
    ? fill(texts.onTrial, version, completions.have, completions.need, have, need)
    : fill(texts.uncertain, version);
}
