import { evaluatePaths } from '../evaluation/evaluate.ts';
import type { CollectedCursor } from '../evaluation/pathStore.ts';
import { contenders } from '../evaluation/policies.ts';
import { tokenContender } from '../evaluation/tokenContender.ts';
import {
  languageGroup,
  languageGroups,
  type TunedBaselines,
  type TunedLanguage,
} from '../evaluation/tuned.ts';
import {
  fitExponents,
  fitThreshold,
  fitWeights,
  stepStatistics,
  symbolStatistics,
} from '../evaluation/tuning.ts';
import { bundledMembersPath } from '../server/memberFolders.ts';
import { parseOptions, resolvePath } from './arguments.ts';
import type { BaselinesFile } from './baselinesFile.ts';
import { Failure, UsageError } from './failures.ts';
import { openPaths } from './openPaths.ts';
import { toJson, writeResult } from './output.ts';
import { readPolicyContender } from './policyChoice.ts';
import type { Command, Terminal } from './run.ts';

const help = `Usage: consort tune PATHS... --out FILE [options]

Tunes the baselines on collected paths ("consort collect") of packages that nothing is tested on: per language the best
member alone, fixed weights and fixed exponents; and per contender the confidence from which on it shows what it
has, for the highest simulated reward. "evaluate" uses policies/baselines.json.

  --policies a,b      files of policies that need such a threshold too
  --models DIR        the folder of members that the paths were collected from
  --json              (the result is JSON in any case)
  --out FILE          write the result to this file as well
`;

const hint = 'Usage: consort tune PATHS... --out FILE. More: consort tune --help';

export const tune: Command = { help, run };

async function run(args: readonly string[], terminal: Terminal): Promise<void> {
  const { values, positionals } = parseOptions(args, hint, {
    policies: { type: 'string' },
    models: { type: 'string' },
    json: { type: 'boolean' },
    out: { type: 'string' },
  });
  if (positionals.length === 0) throw new UsageError('give at least one folder of paths', hint);
  const modelsPath = values.models === undefined ? bundledMembersPath() : resolvePath(values.models);
  const paths = await openPaths(positionals.map(resolvePath), { modelsPath });
  const memberIds = paths.members.map(({ id }) => id);
  const languages: Record<string, TunedLanguage> = {};
  for (const group of languageGroups) {
    const cursors: CollectedCursor[] = [];
    for (const cursor of paths.cursors()) {
      if (languageGroup(cursor.languageId) === group) cursors.push(cursor);
    }
    const usual = withUsualMembers(cursors);
    if (usual.length > 0) languages[group] = await tuneLanguage(usual);
  }
  if (Object.keys(languages).length === 0) throw new Failure('these paths hold no cursor.');
  const tuned: TunedBaselines = { languages, minimumConfidence: {} };
  const extra = (values.policies ?? '').split(',').filter((path) => path !== '');
  const all = [
    ...contenders(memberIds, tuned),
    ...(['gac', 'unite'] as const).map((rule) => tokenContender(rule)),
    ...extra.map((path) => readPolicyContender(resolvePath(path))),
  ];
  const { lines, corpus } = await evaluatePaths(paths.cursors(), {
    contenders: all,
    seed: 1,
    signal: new AbortController().signal,
  });
  const result: BaselinesFile = {
    format: 'consort-baselines',
    version: 1,
    tunedOn: {
      packages: [...paths.packages],
      cursors: corpus.positions,
      members: paths.digest,
    },
    languages,
    minimumConfidence: Object.fromEntries(
      Object.entries(lines).flatMap(([name, own]) => {
        const present = own.filter((line) => line !== undefined);
        return present.length === 0 ? [] : [[name, fitThreshold(present)]];
      }),
    ),
  };
  await writeResult(terminal, toJson(result), values.out);
}

/** Those at which the members take part that do so most often. */
function withUsualMembers(cursors: readonly CollectedCursor[]): CollectedCursor[] {
  const keyOf = ({ members }: CollectedCursor) => members.map(({ id }) => id).join();
  const counts = new Map<string, number>();
  for (const cursor of cursors) counts.set(keyOf(cursor), (counts.get(keyOf(cursor)) ?? 0) + 1);
  const [usual] = [...counts].toSorted((a, b) => b[1] - a[1])[0] ?? [];
  return cursors.filter((cursor) => keyOf(cursor) === usual);
}

async function tuneLanguage(cursors: readonly CollectedCursor[]): Promise<TunedLanguage> {
  const ids = cursors[0].members.map(({ id }) => id);
  const { policies } = await evaluatePaths(cursors, {
    contenders: contenders(ids).filter(({ name }) => name.startsWith('single:')),
    seed: 1,
    signal: new AbortController().signal,
  });
  const [best] = ids.toSorted((a, b) => {
    const [one, other] = [policies[`single:${a}`], policies[`single:${b}`]];
    return other.exactLine - one.exactLine || one.bitsPerByte - other.bitsPerByte;
  });
  return {
    bestSingle: best,
    fixed: byMember(ids, fitWeights(stepStatistics(cursors))),
    fixedGeometric: byMember(ids, fitExponents(symbolStatistics(cursors))),
  };
}

function byMember(ids: readonly string[], values: Float64Array): Record<string, number> {
  return Object.fromEntries(ids.map((id, i) => [id, Math.round(values[i] * 1e4) / 1e4]));
}
