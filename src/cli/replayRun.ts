import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { observationVersion, type PolicyFile } from '../config/policyFile.ts';
import { defaultSettings } from '../config/settings.ts';
import { complete } from '../decoding/complete.ts';
import type { Cursor } from '../evaluation/cursor.ts';
import { randomNumbers } from '../evaluation/random.ts';
import { scoreSteps } from '../evaluation/scoreSteps.ts';
import { encodeText, longestCompletion } from '../evaluation/targetIndex.ts';
import { simulatedReward } from '../evaluation/typist.ts';
import { createActorPolicy } from '../policy/actorPolicy.ts';
import { Hedge } from '../policy/hedge.ts';
import type { CompletionReport } from '../protocol/completion.ts';
import { learnOnce, type Turn } from '../server/learning/learn.ts';
import { Recorder } from '../server/learning/recorder.ts';
import type { LearningSchedule } from '../server/learning/schedule.ts';
import { grantConsent } from '../server/ledger/consents.ts';
import { type Ledger, openLedger } from '../server/ledger/ledger.ts';
import { recordAgreement, recordOutcome, recordSurvival } from '../server/ledger/outcomes.ts';
import { servingVersions } from '../server/ledger/policyVersions.ts';
import type { LedgerProblem, Result } from '../server/ledger/problems.ts';
import { recordText } from '../server/ledger/survivingTexts.ts';
import type { PolicySource, ServedPolicy } from '../server/policyStore.ts';
import type { OnlineHyperParameters } from '../training/hyperParameters.ts';
import { onlineUpdate } from '../training/onlineUpdate.ts';
import type { PromotionOptions } from '../training/promotion.ts';
import { Failure } from './failures.ts';
import { react, type TypistNoise } from './replayTypist.ts';

export interface ReplayOptions {
  /** Serves until something better is learned; null for Hedge. */
  readonly policy: PolicyFile | null;
  readonly learning: LearningOptions | null;
  readonly noise: TypistNoise;
  readonly seed: number;
}

export interface LearningOptions {
  readonly hyperParameters: OnlineHyperParameters;
  readonly schedule: LearningSchedule;
  readonly promotion: PromotionOptions;
  /** The typist pauses after so many suggestions were shown: then there is one turn of learning. */
  readonly idleEvery: number;
  readonly onTurn: (turn: Turn, nShown: number) => void;
}

/** One request of the typist. */
export interface ReplayedRequest {
  readonly packageIdx: number;
  readonly shownLength: number;
  readonly accepted: 'whole' | 'part' | 'none';
  readonly keysSaved: number;
  readonly reward: number;
  /** Characters that were to be typed. */
  readonly targetLength: number;
  /** The champion then; null for the policy that came with the program. */
  readonly policyVersion: number | null;
}

/** Serves one cursor after the other; what is learned from one serves the next. */
export interface Replay {
  readonly request: (cursor: Cursor, signal: AbortSignal) => Promise<ReplayedRequest>;
  readonly close: () => void;
}

/** Milliseconds of the simulated clock: between two requests, and of a pause. */
const clock = { start: 1_700_000_000_000, request: 5_000, pause: 120_000 };

/**
 * A simulated typist at work: the ensemble completes, the typist reacts, and types the file's own text. With learning, all
 * is recorded in a temporary ledger as in the product, and each pause of the typist is one turn of learning.
 */
export async function startReplay(options: ReplayOptions): Promise<Replay> {
  const random = randomNumbers(options.seed);
  const configured = policySource(options.policy);
  const { learning } = options;
  const learner = learning ? await Learner.open(options, learning, configured, random) : undefined;
  let reactionSeed = options.seed;
  return {
    async request(cursor, signal) {
      const served = (learner?.policies ?? configured).choose(cursor.members, {
        uri: cursor.context.documentId,
        languageId: cursor.languageId,
      });
      const report = await completed(cursor, served, signal);
      served.completed?.(report);
      // Whatever is shown, the same cursor finds the typist in the same mood.
      reactionSeed = Math.imul(reactionSeed, 0x9e3779b1) + 1;
      const reaction = react(report.text, cursor.target, options.noise, randomNumbers(reactionSeed));
      const policyVersion = learner?.champion ?? null;
      if (learner) await learner.learnFrom(cursor, report, reaction, signal);
      const { deserved } = reaction;
      const isShown = report.text !== '';
      return {
        packageIdx: cursor.packageIdx,
        shownLength: report.text.length,
        accepted: isShown ? deserved.accepted : 'none',
        keysSaved: isShown ? deserved.acceptedCharacters - deserved.keysPressed : 0,
        reward: simulatedReward(report.text, cursor.target),
        targetLength: cursor.target.length,
        policyVersion,
      };
    },
    close: () => learner?.close(),
  };
}

function policySource(file: PolicyFile | null): PolicySource {
  return {
    choose(members) {
      if (file === null) return { policy: new Hedge(members.length), combiner: 'linear' };
      const ids = members.map(({ id }) => id);
      return { policy: createActorPolicy(file, ids), combiner: file.combiner };
    },
  };
}

async function completed(
  { context, members, languageId, ...cursor }: Cursor,
  { policy, combiner }: ServedPolicy,
  signal: AbortSignal,
): Promise<CompletionReport> {
  const { text, stopReason, noCompletionReason, logProbability } = await complete({
    context,
    members,
    streams: cursor.streams(),
    policy,
    combiner,
    maximumBytes: longestCompletion,
    minimumProbability: defaultSettings.minimumConfidence,
    drafting: null,
    signal,
  });
  return {
    id: randomUUID(),
    uri: context.documentId,
    languageId,
    text,
    stopReason,
    noCompletionReason,
    tokens: [],
    logProbability,
    latencyMs: { total: 0, prefill: 0, decode: 0, policy: 0 },
    members: [],
  };
}

/** The ledger of a replay, and what is learned from it. */
class Learner {
  readonly policies: Recorder;
  readonly #options: ReplayOptions;
  readonly #learning: LearningOptions;
  readonly #ledger: Ledger;
  readonly #folder: string;
  #now = clock.start;
  #nShown = 0;

  private constructor(
    options: ReplayOptions,
    learning: LearningOptions,
    { ledger, folder }: { readonly ledger: Ledger; readonly folder: string },
    { configured, random }: { readonly configured: PolicySource; readonly random: () => number },
  ) {
    this.#options = options;
    this.#learning = learning;
    this.#ledger = ledger;
    this.#folder = folder;
    this.policies = new Recorder({
      ledger,
      workspace,
      configured,
      isExcluded: () => false,
      random,
      now: () => this.#now,
      defer: (work) => work(),
      onProblem: fail,
    });
  }

  static async open(
    options: ReplayOptions,
    learning: LearningOptions,
    configured: PolicySource,
    random: () => number,
  ): Promise<Learner> {
    const folder = mkdtempSync(join(tmpdir(), 'consort-replay-'));
    const ledger = take(await openLedger(join(folder, 'ledger.sqlite')));
    take(grantConsent(ledger, workspace, clock.start));
    return new Learner(options, learning, { ledger, folder }, { configured, random });
  }

  get champion(): number | null {
    return take(servingVersions(this.#ledger)).champion;
  }

  async learnFrom(
    cursor: Cursor,
    report: CompletionReport,
    { kind, acceptedLength, retained, deserved }: ReturnType<typeof react>,
    signal: AbortSignal,
  ): Promise<void> {
    const { id: completionId } = report;
    this.#now += clock.request;
    if (report.text !== '') {
      this.#nShown++;
      take(recordOutcome(this.#ledger, { completionId, time: this.#now, kind, acceptedLength }));
      if (acceptedLength > 0) take(recordSurvival(this.#ledger, { completionId, after: 30, retained }));
      const agreedLength = deserved.acceptedCharacters;
      take(recordAgreement(this.#ledger, { completionId, agreedLength }));
    }
    await this.#recordTyped(cursor, signal);
    if (report.text !== '' && this.#nShown % this.#learning.idleEvery === 0) await this.#pause();
  }

  close(): void {
    this.#ledger.close();
    rmSync(this.#folder, { recursive: true, force: true });
  }

  async #recordTyped(cursor: Cursor, signal: AbortSignal): Promise<void> {
    const line = encodeText(cursor.target);
    const steps = await scoreSteps({ ...cursor, streams: cursor.streams(), signal }, line);
    const text = {
      time: this.#now,
      languageId: cursor.languageId,
      members: cursor.members.map(({ id }) => id),
      observationVersion,
      nBytes: line.length,
      steps,
    };
    take(recordText(this.#ledger, workspace, text));
  }

  async #pause(): Promise<void> {
    const { onTurn, hyperParameters, schedule, promotion } = this.#learning;
    this.#now += clock.pause;
    const turn = await learnOnce({
      ledger: this.#ledger,
      holder: 'replay',
      shipped: this.#options.policy,
      hyperParameters,
      schedule,
      promotion,
      now: () => this.#now,
      train: onlineUpdate,
      pause: async () => {},
    });
    onTurn(take(turn), this.#nShown);
    this.policies.refresh();
  }
}

const workspace = 'replay';

function take<Value>(result: Result<Value>): Value {
  return result.problem ? fail(result.problem) : result.value;
}

function fail({ message }: LedgerProblem): never {
  throw new Failure(message);
}
