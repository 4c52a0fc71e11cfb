import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import * as z from 'zod';
import { languageGroups, type TunedBaselines } from '../evaluation/tuned.ts';
import { Failure } from './failures.ts';

/** The name of the file of tuned baselines in the folder of policies. */
export const baselinesFile = 'baselines.json';

const perMember = z.record(z.string(), z.number().min(0).max(2));

const baselinesSchema = z.object({
  format: z.literal('consort-baselines'),
  version: z.literal(1),
  /** What they were tuned on. */
  tunedOn: z.object({
    packages: z.array(z.string()),
    cursors: z.int(),
    members: z.string().describe("The digest of the members' files."),
  }),
  languages: z.partialRecord(
    z.enum(languageGroups),
    z.object({ bestSingle: z.string(), fixed: perMember, fixedGeometric: perMember }),
  ),
  minimumConfidence: z.record(z.string(), z.number().min(0).max(1)),
});

export type BaselinesFile = z.infer<typeof baselinesSchema>;

/** Nothing where there is no such file. Throws a Failure where it cannot be used. */
export async function readBaselines(path: string): Promise<TunedBaselines | undefined> {
  if (!existsSync(path)) return undefined;
  try {
    const { languages, minimumConfidence, tunedOn } = baselinesSchema.parse(
      JSON.parse(await readFile(path, 'utf8')),
    );
    return { members: tunedOn.members, languages: withoutUndefined(languages), minimumConfidence };
  } catch {
    throw new Failure(`${path} cannot be used. Make it again: consort tune --help.`);
  }
}

function withoutUndefined(languages: BaselinesFile['languages']): TunedBaselines['languages'] {
  const present = languageGroups.flatMap((group) => {
    const tuned = languages[group];
    return tuned ? [[group, tuned] as const] : [];
  });
  return Object.fromEntries(present);
}
