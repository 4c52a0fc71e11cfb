import { type PolicyFile, parsePolicyFile } from '../../config/policyFile.ts';
import { actorProblem, createActorPolicy, type RecordedStep } from '../../policy/actorPolicy.ts';
import type { ServingVersions } from '../../policy/arms.ts';
import { Hedge } from '../../policy/hedge.ts';
import type { Policy, PolicyMember } from '../../policy/policy.ts';
import type { SampledAction } from '../../policy/recordedPolicy.ts';
import type { Ledger } from '../ledger/ledger.ts';
import { readPolicyFile, servingVersions } from '../ledger/policyVersions.ts';
import type { LedgerProblem } from '../ledger/problems.ts';
import type { ServedPolicy } from '../policyStore.ts';

/** A policy and, where it acts by chance, the action whose step has just begun. */
export interface SampledPolicy extends Pick<ServedPolicy, 'policy' | 'combiner'> {
  readonly takeAction?: () => SampledAction | null;
}

/** The policies that the ledger's serving versions stand for, each read once and made once for the same members. */
export class VersionedPolicies {
  readonly #ledger: Ledger;
  readonly #onProblem: (problem: LedgerProblem) => void;
  #serving: ServingVersions = { champion: null, challenger: null };
  /** By version; null for one that cannot be read. */
  #files = new Map<number, PolicyFile | null>();
  #means = new Map<string, Policy>();

  constructor(options: {
    readonly ledger: Ledger;
    readonly onProblem: (problem: LedgerProblem) => void;
  }) {
    this.#ledger = options.ledger;
    this.#onProblem = options.onProblem;
  }

  get champion(): number | null {
    return this.#serving.champion;
  }

  /** What its file calls it; undefined where there is none that can be used. */
  get championName(): string | undefined {
    const { champion } = this.#serving;
    return champion === null ? undefined : this.#files.get(champion)?.name;
  }

  /** Looks which versions serve now. */
  refresh(): void {
    const serving = servingVersions(this.#ledger);
    if (serving.problem) {
      if (serving.problem.kind !== 'absent') this.#onProblem(serving.problem);
      return;
    }
    const { champion, challenger } = serving.value;
    if (champion === this.#serving.champion && challenger === this.#serving.challenger) return;
    this.#serving = serving.value;
    const versions = [champion, challenger].filter((version) => version !== null);
    this.#files = new Map(
      versions.map((version) => [version, this.#files.get(version) ?? this.#read(version)]),
    );
    this.#means.clear();
  }

  /** The versions that can serve these members. */
  versionsFor(memberIds: readonly string[]): ServingVersions {
    const usable = (version: number | null) => {
      const file = version === null ? null : this.#files.get(version);
      return file && !actorProblem(file, memberIds) ? version : null;
    };
    return { champion: usable(this.#serving.champion), challenger: usable(this.#serving.challenger) };
  }

  hedge(nMembers: number): SampledPolicy {
    return { policy: new Hedge(nMembers), combiner: 'linear' };
  }

  /** The version as a champion serves it. */
  mean(version: number, members: readonly PolicyMember[]): SampledPolicy {
    const file = this.#fileOf(version);
    const memberIds = members.map(({ id }) => id);
    const key = `${version} ${memberIds.join(' ')}`;
    const policy = this.#means.get(key) ?? createActorPolicy(file, memberIds);
    this.#means.set(key, policy);
    return { policy, combiner: file.combiner };
  }

  /** The version as a challenger serves it: acting by chance. */
  sampled(version: number, members: readonly PolicyMember[], random: () => number): SampledPolicy {
    const file = this.#fileOf(version);
    const memberIds = members.map(({ id }) => id);
    let last: RecordedStep | null = null;
    const record = (step: RecordedStep) => {
      last = step;
    };
    return {
      policy: createActorPolicy(file, memberIds, { random, record }),
      combiner: file.combiner,
      takeAction() {
        const taken = last;
        last = null;
        return taken && actionOf(taken, file, memberIds);
      },
    };
  }

  #fileOf(version: number): PolicyFile {
    const file = this.#files.get(version);
    if (!file) throw new Error(`Version ${version} was chosen though it cannot serve`);
    return file;
  }

  #read(version: number): PolicyFile | null {
    const text = readPolicyFile(this.#ledger, version);
    if (text.problem) this.#onProblem(text.problem);
    return (text.value && parsePolicyFile(text.value).file) || null;
  }
}

/** By member what the network has by row. */
function actionOf(
  { action, actionLogProbabilities, couldStop, stopLogProbability }: RecordedStep,
  { members }: PolicyFile,
  memberIds: readonly string[],
): SampledAction {
  const chosen = actionLogProbabilities.reduce((sum, logProbability) => sum + logProbability, 0);
  return {
    action: Float32Array.from(memberIds, (id, i) => action[members === '*' ? i : members.indexOf(id)]),
    couldStop,
    logProbability: chosen + (couldStop ? stopLogProbability : 0),
  };
}
