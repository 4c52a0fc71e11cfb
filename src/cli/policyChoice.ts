import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { featureGroups, type PolicyFile, parsePolicyFile } from '../config/policyFile.ts';
import { type Contender, ensemble } from '../evaluation/contender.ts';
import { contenders } from '../evaluation/policies.ts';
import { RlaeSpanPolicy } from '../evaluation/rlaeSpanPolicy.ts';
import { tokenContender } from '../evaluation/tokenContender.ts';
import type { TunedBaselines } from '../evaluation/tuned.ts';
import { createActorPolicy, misfit } from '../policy/actorPolicy.ts';
import { resolvePath } from './arguments.ts';
import { baselinesFile, readBaselines } from './baselinesFile.ts';
import { Failure, reasonOf, UsageError } from './failures.ts';
import type { OpenMembers } from './openMembers.ts';

/** The folder of the policies that come with the program, from the sources as from the built package. */
export function bundledPoliciesPath(): string {
  const up = import.meta.url.endsWith('.ts') ? '../../policies' : '../policies';
  return fileURLToPath(new URL(up, import.meta.url));
}

/** What a command can compare: the baselines, the bundled policies, and files of policies by their paths. */
export interface KnownContenders {
  /** The digest of the members that the baselines were tuned with; nothing where they were not. */
  readonly tunedWith: string | undefined;
  readonly all: readonly Contender[];
  /** Why bundled policies that cannot be used are not among them. */
  readonly refused: readonly string[];
  /** Throws a Failure where the file is no policy. */
  readonly fromFile: (path: string) => Contender;
}

export interface KnownOptions {
  /** Where learned policies and tuned baselines lie. */
  readonly folder: string;
  /** Groups of features that learned policies do not see. */
  readonly withoutGroups?: readonly string[];
  /** A policy that stops by itself is there under each of these thresholds too, as `name@threshold`. */
  readonly stopThresholds?: readonly number[];
  /** For the contenders that ensemble tokens; without it they have only what was collected. */
  readonly tokenMembers?: OpenMembers['tokenMembers'] | undefined;
}

export async function knownContenders(
  memberIds: readonly string[],
  { folder, withoutGroups = [], stopThresholds = [], tokenMembers }: KnownOptions,
): Promise<KnownContenders> {
  const unknown = withoutGroups.find((group) => !featureGroups.some((known) => known === group));
  if (unknown !== undefined) {
    throw new UsageError(`there is no group of features "${unknown}"`, `Groups: ${featureGroups.join(', ')}`);
  }
  const tuned = await readBaselines(join(folder, baselinesFile));
  const asContender = (file: PolicyFile) => learned(file, withoutGroups, tuned);
  const atThresholds = (file: PolicyFile) =>
    stopThresholds.map((stopThreshold) =>
      asContender({ ...file, name: `${file.name}@${stopThreshold}`, stopThreshold }),
    );
  const names = existsSync(folder) ? readdirSync(folder).toSorted() : [];
  const bundled: Contender[] = [];
  const refused: string[] = [];
  for (const name of names) {
    if (!name.endsWith('.json') || name === baselinesFile) continue;
    try {
      const file = readPolicyFile(join(folder, name));
      const stopsByItself = file.algorithm === 'ppo' || file.algorithm === 'mappo';
      bundled.push(asContender(file), ...(stopsByItself ? atThresholds(file) : []));
    } catch (error) {
      if (!(error instanceof Failure)) throw error;
      refused.push(error.message);
    }
  }
  const unions = (['gac', 'unite'] as const).map((rule) =>
    tokenContender(rule, tokenMembers, tuned?.minimumConfidence[rule]),
  );
  return {
    tunedWith: tuned?.members,
    refused,
    all: [...contenders(memberIds, tuned), ...unions, ...bundled],
    fromFile: (path) => asContender(readPolicyFile(path)),
  };
}

/** All by default. Names are those of baselines, of bundled policies or of files. */
export function selectContenders(
  { all, fromFile }: Pick<KnownContenders, 'all' | 'fromFile'>,
  names: readonly string[] | undefined,
): Contender[] {
  if (names === undefined) return [...all];
  const chosen = names.map((name) => {
    const found = all.find((candidate) => candidate.name === name);
    if (found) return found;
    if (name.endsWith('.json')) return fromFile(resolvePath(name));
    throw new UsageError(
      `there is no policy "${name}"`,
      `Policies: ${all.map((candidate) => candidate.name).join(', ')}; or the path of a file of a policy, which ends with .json`,
    );
  });
  const twice = chosen.find(({ name }, i) => chosen.findIndex((other) => other.name === name) !== i);
  if (twice) throw new UsageError(`the policy "${twice.name}" is named twice`, 'Name each policy once.');
  return chosen;
}

/** The policy in this file, as it is. Throws a Failure where the file is no policy. */
export function readPolicyContender(path: string): Contender {
  return learned(readPolicyFile(path), [], undefined);
}

/** Throws a Failure where it is no policy. */
export function readPolicyFile(path: string): PolicyFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new Failure(`cannot read ${path}: ${reasonOf(error)}.`);
  }
  const { file, problem } = parsePolicyFile(text);
  if (problem) throw new Failure(`${path} cannot be used. ${problem.message} ${problem.hint}`);
  return file;
}

function learned(
  file: PolicyFile,
  withoutGroups: readonly string[],
  tuned: TunedBaselines | undefined,
): Contender {
  const groups = file.observation.groups.filter((group) => !withoutGroups.includes(group));
  const seeing = { ...file, observation: { ...file.observation, groups } };
  const minimumConfidence = tuned?.minimumConfidence[file.name];
  const { members: known, network, spanLength } = file;
  const contender = ensemble(file.name, {
    combiner: file.combiner,
    choose: ({ members }) =>
      misfit(
        file,
        members.map(({ id }) => id),
      )
        ? undefined
        : members.map((_, i) => i),
    createPolicy: ({ members }) =>
      file.algorithm === 'rlaeSpan' && known !== '*'
        ? new RlaeSpanPolicy({ members: known, network, spanLength, groups })
        : createActorPolicy(
            seeing,
            members.map(({ id }) => id),
          ),
    ...(minimumConfidence === undefined ? {} : { minimumConfidence }),
  });
  return { ...contender, isLearned: true };
}
