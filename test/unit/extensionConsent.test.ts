import { setImmediate } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { type ConsentAnswer, createConsentPrompt } from '../../src/extension/consentPrompt.ts';

/** What happens while completions are accepted, in one window. */
async function play(
  nAccepted: number,
  given: { answer?: ConsentAnswer; isOff?: boolean; never?: boolean; asked?: boolean } = {},
): Promise<string[]> {
  const happened: string[] = [];
  let memory = { never: given.never ?? false, asked: given.asked ?? false };
  const prompt = createConsentPrompt({
    isOff: () => given.isOff ?? true,
    memory: () => memory,
    async remember(change) {
      memory = { ...memory, ...change };
      happened.push(`remember ${Object.keys(change)}`);
    },
    async ask() {
      happened.push('ask');
      return given.answer ?? 'dismissed';
    },
    async agree() {
      happened.push('agree');
    },
  });
  for (let i = 0; i < nAccepted; i++) prompt.accepted();
  await setImmediate();
  return happened;
}

const cases: readonly [name: string, nAccepted: number, given: Parameters<typeof play>[1], string[]][] = [
  ['never at the start', 4, {}, []],
  ['once, after some completions were accepted', 20, {}, ['remember asked', 'ask']],
  ['Yes agrees', 5, { answer: 'yes' }, ['remember asked', 'ask', 'agree']],
  ['No is no', 20, { answer: 'no' }, ['remember asked', 'ask']],
  ['Never is remembered', 20, { answer: 'never' }, ['remember asked', 'ask', 'remember never']],
  ['not where it was asked', 20, { asked: true }, []],
  ['not where it is unwanted anywhere', 20, { never: true }, []],
  ['not where learning is on or impossible', 20, { isOff: false }, []],
];
test.each(cases)('consent is asked for: %s', async (_, nAccepted, given, expected) => {
  expect(await play(nAccepted, given)).toEqual(expected);
});
