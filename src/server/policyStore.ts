import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { type PolicyFile, type PolicyProblem, parsePolicyFile } from '../config/policyFile.ts';
import type { Settings } from '../config/settings.ts';
import { actorProblem, createActorPolicy } from '../policy/actorPolicy.ts';
import type { Policy, PolicyMember } from '../policy/policy.ts';
import { trainingFreePolicies } from '../policy/trainingFree.ts';
import type { CompletionReport } from '../protocol/completion.ts';
import type { EnsembleStatus } from '../protocol/messages.ts';
import type { Log } from './log.ts';

/** What sets the weights of one completion, and what they are weights of. */
export interface ServedPolicy {
  readonly policy: Policy;
  readonly combiner: Settings['combiner'];
  /** Called with the completion, where that is of use to whoever chose the policy. */
  readonly completed?: (report: CompletionReport) => void;
}

/** Where a completion is asked for. */
export interface Place {
  readonly uri: string;
  readonly languageId: string;
}

/** Where the policies of completions come from. */
export interface PolicySource {
  /** The policy of one completion by these members; asked anew for each, one after the other. */
  choose(members: readonly PolicyMember[], place: Place): ServedPolicy;
}

export interface PolicyStoreOptions {
  /** Folder of the policies that come with the program; the one beside it by default. */
  readonly policiesPath?: string | undefined;
  /** False where no file but those may be read. */
  readonly trusted: boolean;
  readonly log: Pick<Log, 'warn'>;
}

type PolicySettings = Pick<Settings, 'policy' | 'policyPath' | 'combiner'>;

/**
 * The policy that the settings ask for. Where it cannot be used, Hedge takes over, and the status and one line in the
 * log say why and how to mend it. A learned policy brings its own combiner.
 */
export class PolicyStore implements PolicySource {
  readonly #options: PolicyStoreOptions;
  #settings: PolicySettings;
  #file: PolicyFile | undefined;
  #fileProblem: PolicyProblem | undefined;
  /** The learned policy made last, for completions by the same members. */
  #actor: { readonly ids: string; readonly policy: Policy } | undefined;
  /** Why the last completion was left to Hedge. */
  #problem: PolicyProblem | undefined;
  readonly #logged = new Set<string>();

  constructor(settings: PolicySettings, options: PolicyStoreOptions) {
    this.#options = options;
    this.#settings = settings;
    this.configure(settings);
  }

  /** Takes new settings; the file is read again. */
  configure(settings: PolicySettings): void {
    this.#settings = settings;
    const path = this.#chosenPath();
    const { file, problem } = path === undefined ? {} : readPolicy(path);
    this.#file = file;
    this.#fileProblem = problem;
    this.#problem = problem;
    this.#actor = undefined;
    if (problem) this.#log(problem);
  }

  /** The policy of a completion by these members; one completion at a time. */
  choose(members: readonly PolicyMember[]): ServedPolicy {
    const { combiner } = this.#settings;
    const file = this.#file;
    const ids = members.map(({ id }) => id);
    this.#problem = this.#fileProblem ?? (file && actorProblem(file, ids));
    if (file && !this.#problem) return { policy: this.#actorOf(file, ids), combiner: file.combiner };
    if (this.#problem) this.#log(this.#problem);
    return { policy: trainingFreePolicies[this.#trainingFree](members.length, combiner), combiner };
  }

  /** What learning begins at: a policy, null for Hedge; undefined where it cannot begin at what sets the weights now. */
  learnable(): PolicyFile | null | undefined {
    const { combiner } = this.#file ?? this.#settings;
    if (combiner !== 'linear') return undefined;
    return this.#fileProblem ? null : (this.#file ?? null);
  }

  /** What sets the weights now, and why it is not what was asked for. */
  status(): EnsembleStatus['policy'] {
    if (this.#problem) return { name: 'hedge', version: '1', message: explain(this.#problem) };
    if (this.#file) return { name: this.#file.name, version: this.#file.version };
    return { name: this.#trainingFree, version: '1' };
  }

  #actorOf(file: PolicyFile, memberIds: readonly string[]): Policy {
    const ids = memberIds.join(' ');
    if (this.#actor?.ids !== ids) this.#actor = { ids, policy: createActorPolicy(file, memberIds) };
    return this.#actor.policy;
  }

  get #trainingFree(): keyof typeof trainingFreePolicies {
    const { policy } = this.#settings;
    return isTrainingFree(policy) && !this.#problem ? policy : 'hedge';
  }

  /** The file of the policy; undefined where it needs none. */
  #chosenPath(): string | undefined {
    const { policy, policyPath } = this.#settings;
    if (policyPath !== '' && this.#options.trusted) return policyPath;
    if (isTrainingFree(policy)) return undefined;
    return join(this.#options.policiesPath ?? bundledPoliciesPath(), `${policy}.json`);
  }

  #log(problem: PolicyProblem): void {
    const message = explain(problem);
    if (this.#logged.has(message)) return;
    this.#logged.add(message);
    this.#options.log.warn(message);
  }
}

function isTrainingFree(name: Settings['policy']): name is keyof typeof trainingFreePolicies {
  return Object.hasOwn(trainingFreePolicies, name);
}

function readPolicy(path: string): { readonly file?: PolicyFile; readonly problem?: PolicyProblem } {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    const reason = error instanceof Error && 'code' in error ? error.code : error;
    return {
      problem: {
        message: `The policy ${path} cannot be read (${reason}).`,
        hint: 'Correct the setting consort.policy or consort.policyPath, or get the file again.',
      },
    };
  }
  const { file, problem } = parsePolicyFile(text);
  if (file) return { file };
  return { problem: { ...problem, message: `The policy ${path} cannot be used. ${problem.message}` } };
}

function explain({ message, hint }: PolicyProblem): string {
  return `${message} ${hint} Until then Hedge sets the weights.`;
}

/** The folder of the policies that come with the program, from the sources as from the built package. */
export function bundledPoliciesPath(): string {
  const up = import.meta.url.endsWith('.ts') ? '../../policies' : '../policies';
  return fileURLToPath(new URL(up, import.meta.url));
}
