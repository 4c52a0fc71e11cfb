import type { MemberManifest } from '../../src/config/memberManifest.ts';
import { changedMembers } from '../support/changedMembers.ts';
import { ratio, roundsOf } from '../support/format.ts';
import { compareLines } from '../support/lineRounds.ts';
import type { BenchContext, CaseResult } from '../support/result.ts';

const ownLanguages: Readonly<Record<string, MemberManifest['languages']>> = {
  'consort-typescript': ['typescript', 'javascript', 'typescriptreact', 'javascriptreact'],
  'consort-python': ['python'],
};

/** What it costs that every bundled member takes part in the languages of the others. */
export async function foreignMembers(context: BenchContext): Promise<CaseResult> {
  const modelsPath = await changedMembers(context.cacheFolder, (manifest) => ({
    ...manifest,
    languages: ownLanguages[manifest.id] ?? manifest.languages,
  }));
  const { timePerByte } = await compareLines(context, { seedOffset: 5, choice: { modelsPath } });
  return {
    ratio: timePerByte.ratio,
    figures: [
      {
        what: 'Time per byte, both neural members ÷ the one at home in the language',
        value: ratio(timePerByte.ratio),
        spread: roundsOf(timePerByte),
        goal: '',
        isMet: undefined,
      },
    ],
    limit:
      'Two cores share the passes of two members; the rest is that they wait for each other. What the second is worth: `models/recipe/README.md`.',
    details: { timePerByte },
  };
}
