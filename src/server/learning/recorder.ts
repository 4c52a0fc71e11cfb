import { observationVersion } from '../../config/policyFile.ts';
import { type ArmDraw, drawArm } from '../../policy/arms.ts';
import type { PolicyMember } from '../../policy/policy.ts';
import { RecordedPolicy, type ServedStep } from '../../policy/recordedPolicy.ts';
import type { CompletionReport } from '../../protocol/completion.ts';
import type { LearningProgress } from '../../protocol/messages.ts';
import { type Completion, recordCompletion } from '../ledger/completions.ts';
import { hasConsent } from '../ledger/consents.ts';
import type { Ledger } from '../ledger/ledger.ts';
import {
  type Outcome,
  recordAgreement,
  recordOutcome,
  recordSurvival,
  type SurvivalSeconds,
} from '../ledger/outcomes.ts';
import type { LedgerProblem, Result } from '../ledger/problems.ts';
import { recordText } from '../ledger/survivingTexts.ts';
import type { Place, PolicySource, ServedPolicy } from '../policyStore.ts';
import type { ScoredText } from '../scoreText.ts';
import { readProgress } from './progress.ts';
import { type SampledPolicy, VersionedPolicies } from './versionedPolicies.ts';

export interface RecorderOptions {
  readonly ledger: Ledger;
  /** What names the workspace; the ledger keeps its salted hash. */
  readonly workspace: string;
  /** Serves where the workspace has not agreed to learning, or while there is no learned version. */
  readonly configured: PolicySource;
  /** Whether nothing of this file may be recorded. */
  readonly isExcluded: (place: Place) => boolean;
  /** Uniform in [0, 1): draws arms, and actions of the challenger. */
  readonly random: () => number;
  /** Milliseconds since 1970. */
  readonly now: () => number;
  /** Runs the work soon, but after the completion under way has been answered. */
  readonly defer: (work: () => void) => void;
  /** Why something was not recorded. Completions go on. */
  readonly onProblem: (problem: LedgerProblem) => void;
  /** A completion was recorded. */
  readonly onRecorded?: () => void;
  /** Consent, the versions that serve or what is known of them are not what they were. */
  readonly onChange?: () => void;
}

/**
 * Completions as material to learn from. Where the workspace has agreed, each request draws an arm among the ledger's
 * policies, and what that policy saw and did is recorded; elsewhere the configured policy serves and nothing is taken
 * down. The ledger is never read or written while a completion is under way.
 */
export class Recorder implements PolicySource {
  readonly #options: RecorderOptions;
  readonly #policies: VersionedPolicies;
  #progress: LearningProgress | undefined;
  #hasConsent = false;
  #pending: Completion[] = [];

  constructor(options: RecorderOptions) {
    this.#options = options;
    this.#policies = new VersionedPolicies(options);
    this.refresh();
  }

  /** Whether the workspace has agreed, as far as is known. */
  get hasConsent(): boolean {
    return this.#hasConsent;
  }

  /** The learned version that serves. */
  get champion(): number | null {
    return this.#policies.champion;
  }

  get championName(): string | undefined {
    return this.#policies.championName;
  }

  /** What is missing for the next change of the policy; undefined where nothing is learned. */
  get progress(): LearningProgress | undefined {
    return this.#progress;
  }

  /** Reads the ledger anew: another window may have changed consent or versions. */
  refresh(): void {
    const { ledger, workspace, onChange } = this.#options;
    const known = () => JSON.stringify([this.#hasConsent, this.champion, this.#progress]);
    const before = known();
    this.#hasConsent = this.#take(hasConsent(ledger, workspace)) ?? false;
    if (this.#hasConsent) this.#policies.refresh();
    this.#progress = this.#hasConsent ? this.#take(readProgress(ledger)) : undefined;
    if (before !== known()) onChange?.();
  }

  /** The policy of one completion; a draw is never used twice. */
  choose(members: readonly PolicyMember[], place: Place): ServedPolicy {
    const { configured, random, isExcluded } = this.#options;
    if (!this.#hasConsent || isExcluded(place)) return configured.choose(members, place);
    const memberIds = members.map(({ id }) => id);
    const draw = drawArm(this.#policies.versionsFor(memberIds), random);
    const { policy, combiner, takeAction } = this.#serve(draw, members, place);
    const steps: ServedStep[] = [];
    const record = (step: ServedStep) => steps.push(step);
    return {
      policy: new RecordedPolicy(policy, {
        nMembers: members.length,
        record,
        ...(takeAction && { takeAction }),
      }),
      combiner,
      completed: (report) => this.#keep(report, { draw, memberIds, steps }),
    };
  }

  /** What became of a completion. */
  recordOutcome(id: string, { kind, acceptedLength }: Pick<Outcome, 'kind' | 'acceptedLength'>): void {
    this.flush();
    const { ledger, now } = this.#options;
    const outcome = { completionId: id, time: now(), kind, acceptedLength };
    this.#take(recordOutcome(ledger, outcome));
  }

  /** How much of an accepted completion is still there. */
  recordSurvival(id: string, survival: { readonly after: SurvivalSeconds; readonly retained: number }): void {
    this.#take(recordSurvival(this.#options.ledger, { completionId: id, ...survival }));
  }

  /** How much of a completion stands in the text that the person left there. */
  recordAgreement(id: string, agreedLength: number): void {
    this.#take(recordAgreement(this.#options.ledger, { completionId: id, agreedLength }));
  }

  /** What the members gave a text that the person kept or wrote. */
  recordText(languageId: string, { members, nBytes, steps }: ScoredText): void {
    const { ledger, workspace, now } = this.#options;
    const text = { time: now(), languageId, members, observationVersion, nBytes, steps };
    this.#take(recordText(ledger, workspace, text));
    this.refresh();
  }

  /** Records what is still waiting for it. */
  flush(): void {
    const pending = this.#pending;
    this.#pending = [];
    const { ledger, workspace, onRecorded } = this.#options;
    for (const completion of pending) {
      if (this.#take(recordCompletion(ledger, workspace, completion)) === 'recorded') onRecorded?.();
      else this.#hasConsent = false;
    }
  }

  #serve(draw: ArmDraw, members: readonly PolicyMember[], place: Place): SampledPolicy {
    const { configured, random } = this.#options;
    const { arm, policyVersion } = draw;
    if (arm === 'hedge') return this.#policies.hedge(members.length);
    if (policyVersion === null) return configured.choose(members, place);
    return arm === 'challenger'
      ? this.#policies.sampled(policyVersion, members, random)
      : this.#policies.mean(policyVersion, members);
  }

  #keep(
    report: CompletionReport,
    served: Pick<Completion, 'draw' | 'steps'> & { readonly memberIds: readonly string[] },
  ): void {
    this.#pending.push({
      id: report.id,
      time: this.#options.now(),
      languageId: report.languageId,
      members: served.memberIds,
      observationVersion,
      draw: served.draw,
      latencyMs: report.latencyMs.total,
      shownLength: report.text.length,
      logProbability: report.logProbability,
      steps: served.steps,
    });
    if (this.#pending.length > 1) return;
    this.#options.defer(() => {
      this.flush();
      this.refresh();
    });
  }

  #take<Value>(result: Result<Value>): Value | undefined {
    if (!result.problem) return result.value;
    // Without a ledger nobody has agreed to anything: that is no news.
    if (result.problem.kind !== 'absent') this.#options.onProblem(result.problem);
    return undefined;
  }
}
