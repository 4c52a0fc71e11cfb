import * as tf from '@tensorflow/tfjs-core';
import type { DenseLayer } from '../config/policyFile.ts';
import { observationVersion, type PolicyFile } from '../config/policyFile.ts';
import type { CombinerName } from '../decoding/combiner.ts';
import { randomNumbers } from '../evaluation/random.ts';
import { createActorPolicy } from '../policy/actorPolicy.ts';
import type { FeatureGroup } from '../policy/features.ts';
import {
  type ActorCritic,
  type ActorWeights,
  createActorCritic,
  initialActor,
  initialCritic,
} from './actorCritic.ts';
import { bitsPerSymbol, type GateEpoch, type ScoredText, trainGate } from './gate.ts';
import type { GateHyperParameters, PpoHyperParameters, StopHyperParameters } from './hyperParameters.ts';
import { layoutFor } from './layout.ts';
import { Optimiser, type OptimiserState } from './optimiser.ts';
import { type PpoUpdateStatistics, ppoUpdate } from './ppoUpdate.ts';
import { collectRollouts, completed, type Rollout, type RolloutCursor, recordedActor } from './rollouts.ts';
import type { TrueTextCursor } from './stepReader.ts';
import { type StopEpoch, stoppableLines, trainStops } from './stopStage.ts';
import { readTrueText } from './trueText.ts';

export type TrainingCursor = RolloutCursor & TrueTextCursor;

export interface TrainingOptions {
  readonly name: string;
  /** `gate` ends after the warm start. */
  readonly algorithm: 'ppo' | 'mappo' | 'gate';
  /** Whether the gate has an output per member it knows, or an agent per member; the others follow their algorithm. */
  readonly gateKind: 'slots' | 'perMember';
  readonly combiner: CombinerName;
  readonly granularity: 'token' | 'span';
  readonly spanLength: number;
  readonly groups: readonly FeatureGroup[];
  readonly seed: number;
  readonly train: readonly TrainingCursor[];
  /** Cursors of packages that are not trained on: they say when to stop and which state to keep. */
  readonly heldOut: readonly TrainingCursor[];
  readonly gate: GateHyperParameters;
  /** Learning when to stop, between the warm start and reinforcement learning; null: not before the latter. */
  readonly stop: StopHyperParameters | null;
  readonly ppo: PpoHyperParameters;
  /** ln σ of the actions at the start. */
  readonly initialLogSigma: number;
  /** Whether reinforcement learning starts at the gate or at Hedge. */
  readonly warmStart: 'gate' | 'hedge';
  /** Updates after which training ends. */
  readonly nUpdates: number;
  /** Updates between two looks at the held-out cursors. */
  readonly evaluateEvery: number;
  /** Goes into the file, under `training`. */
  readonly notes: Readonly<Record<string, unknown>>;
  readonly resume?: TrainingState;
  /** Asked between updates: true ends training there. */
  readonly shouldStop: () => boolean;
  /** Milliseconds. */
  readonly clock: () => number;
  readonly onEvent: (event: TrainingEvent) => void;
  /** The state from which training can go on; after the warm start and wherever the held-out cursors were looked at. */
  readonly onState: (state: TrainingState) => void | Promise<void>;
}

export type TrainingEvent =
  | ({ readonly stage: 'gate' } & GateEpoch)
  | ({ readonly stage: 'stop' } & StopEpoch)
  | ({
      readonly stage: 'update';
      readonly update: number;
      readonly nRollouts: number;
      readonly nDecisions: number;
      /** The share of rollouts that left the collected paths. */
      readonly leftShare: number;
      /** The share of rollouts in which something was shown. */
      readonly shownShare: number;
      readonly sigma: number;
      readonly rolloutMs: number;
      readonly updateMs: number;
    } & PpoUpdateStatistics)
  | ({ readonly stage: 'heldOut'; readonly update: number } & HeldOutResult);

/** The mean action, at the held-out cursors. */
export interface HeldOutResult {
  readonly reward: number;
  /** The share of cursors where something is shown. */
  readonly shown: number;
  /** The share where the line is right when all of it is asked for. */
  readonly exact: number;
  readonly bitsPerByte: number;
}

/** Everything that training goes on from. */
export interface TrainingState {
  /** Updates done. */
  readonly update: number;
  readonly actor: ActorWeights;
  readonly critic: readonly DenseLayer[];
  readonly optimiser: OptimiserState;
  /** The actor after the warm start. */
  readonly gate: ActorWeights;
  /** The actor with the best held-out reward so far. */
  readonly best: { readonly actor: ActorWeights; readonly result: HeldOutResult; readonly update: number };
}

/** Trains a policy: the warm start by log-loss, when to stop by the exact reward, then PPO or MAPPO on rollouts. The backend must be open. */
export async function trainPolicy(options: TrainingOptions): Promise<PolicyFile> {
  const trainer = await Trainer.create(options);
  return trainer.run();
}

/** What an update works with. */
interface Learning {
  readonly networks: ActorCritic;
  readonly optimiser: Optimiser;
  readonly anchor?: ActorCritic;
  /** What is not to be forgotten. */
  readonly text?: ScoredText;
}

class Trainer {
  readonly #options: TrainingOptions;
  readonly #layout: ReturnType<typeof layoutFor>;
  readonly #heldOutText: ScoredText;

  private constructor(
    options: TrainingOptions,
    layout: ReturnType<typeof layoutFor>,
    heldOutText: ScoredText,
  ) {
    this.#options = options;
    this.#layout = layout;
    this.#heldOutText = heldOutText;
  }

  static async create(options: TrainingOptions): Promise<Trainer> {
    const { algorithm, gateKind, granularity, groups, combiner } = options;
    const kind = algorithm === 'gate' ? gateKind : algorithm === 'ppo' ? 'slots' : 'perMember';
    const spanLength = granularity === 'span' ? options.spanLength : 1;
    const layout = layoutFor([...options.train, ...options.heldOut], { kind, groups, spanLength });
    return new Trainer(options, layout, await readTrueText(options.heldOut, layout, combiner));
  }

  async run(): Promise<PolicyFile> {
    const { resume, algorithm, shouldStop, nUpdates } = this.#options;
    let state = resume ?? (await this.#warmStart());
    if (algorithm !== 'gate' && !shouldStop() && state.update < nUpdates)
      state = await this.#reinforce(state);
    const { actor, result, update } = state.best;
    return this.#fileOf(actor, { heldOut: result, update, updates: state.update });
  }

  async #warmStart(): Promise<TrainingState> {
    const { combiner, seed, gate, stop, algorithm, warmStart, initialLogSigma } = this.#options;
    const { shouldStop, onEvent, onState } = this.#options;
    const random = randomNumbers(seedFor(seed, 0));
    const { shape } = this.#layout;
    const networks = createActorCritic(
      shape,
      { ...initialActor(shape, random), logSigma: initialLogSigma },
      initialCritic(shape, random),
    );
    let isCutShort = false;
    if (algorithm === 'gate' || warmStart === 'gate') {
      const train = await readTrueText(this.#options.train, this.#layout, combiner);
      await trainGate({
        networks,
        train,
        heldOut: this.#heldOutText,
        hyperParameters: gate,
        random,
        onEpoch: async (epoch) => {
          onEvent({ stage: 'gate', ...epoch });
          await turn();
          isCutShort = shouldStop();
          return !isCutShort;
        },
      });
    }
    let result = await this.#lookAtHeldOut(networks, 0);
    if (algorithm !== 'gate' && stop && !isCutShort) {
      isCutShort = await this.#learnStops(networks, stop);
      result = await this.#lookAtHeldOut(networks, 0);
    }
    const actor = networks.exportActor();
    const state: TrainingState = {
      update: 0,
      actor,
      critic: networks.exportCritic(),
      optimiser: { weights: [] },
      gate: actor,
      best: { actor, result, update: 0 },
    };
    networks.dispose();
    if (!isCutShort) await onState(state);
    return state;
  }

  /** Gives whether it was cut short. */
  async #learnStops(networks: ActorCritic, hyperParameters: StopHyperParameters): Promise<boolean> {
    const { train, heldOut, combiner, seed, shouldStop, onEvent } = this.#options;
    const actor = recordedActor(this.#fileOf(networks.exportActor(), {}));
    let isCutShort = false;
    await trainStops({
      networks,
      train: await stoppableLines(train, actor, combiner),
      heldOut: await stoppableLines(heldOut, actor, combiner),
      text: await readTrueText(train, this.#layout, combiner),
      hyperParameters,
      random: randomNumbers(seedFor(seed, -1)),
      onEpoch: async (epoch) => {
        onEvent({ stage: 'stop', ...epoch });
        await turn();
        isCutShort = shouldStop();
        return !isCutShort;
      },
    });
    return isCutShort;
  }

  async #reinforce(start: TrainingState): Promise<TrainingState> {
    const { ppo, nUpdates, evaluateEvery, shouldStop, seed, onState } = this.#options;
    const networks = createActorCritic(this.#layout.shape, start.actor, start.critic);
    const anchor =
      ppo.anchorCoef > 0 ? createActorCritic(this.#layout.shape, start.gate, start.critic) : undefined;
    const text =
      ppo.logLossCoef > 0
        ? await readTrueText(this.#options.train, this.#layout, this.#options.combiner)
        : undefined;
    const kept = { ...(anchor ? { anchor } : {}), ...(text ? { text } : {}) };
    const optimiser = new Optimiser([...networks.actorVariables, ...networks.criticVariables], ppo);
    if (start.optimiser.weights.length > 0) await optimiser.restore(start.optimiser);
    let state = start;
    for (let update = start.update + 1; ; update++) {
      const random = randomNumbers(seedFor(seed, update));
      await this.#update({ networks, optimiser, ...kept }, update, random);
      const isLast = update >= nUpdates || shouldStop();
      if (!isLast && update % evaluateEvery !== 0) continue;
      const actor = networks.exportActor();
      const result = await this.#lookAtHeldOut(networks, update);
      const best = result.reward > state.best.result.reward ? { actor, result, update } : state.best;
      const critic = networks.exportCritic();
      state = { ...state, update, actor, critic, optimiser: await optimiser.state(), best };
      await onState(state);
      if (isLast) break;
    }
    networks.dispose();
    anchor?.dispose();
    optimiser.dispose();
    return state;
  }

  async #update(learning: Learning, update: number, random: () => number): Promise<void> {
    const { networks, text, ...others } = learning;
    const { ppo, clock, onEvent, train, combiner } = this.#options;
    const start = clock();
    const rollouts = await collectRollouts(train, {
      actor: recordedActor(this.#fileOf(networks.exportActor(), {}), random),
      combiner,
      random,
      hyperParameters: ppo,
    });
    const collected = clock();
    const auxiliaryLoss =
      text &&
      (() => {
        const rows = Array.from({ length: ppo.logLossRows }, () => Math.floor(random() * text.nRows));
        return tf.mul<tf.Scalar>(tf.mean(text.logProbabilities(networks, rows)), -ppo.logLossCoef);
      });
    const statistics = ppoUpdate({
      ...others,
      networks,
      episodes: rollouts,
      hyperParameters: ppo,
      random,
      ...(auxiliaryLoss ? { auxiliaryLoss } : {}),
    });
    const share = (of: (rollout: Rollout) => boolean) => rollouts.filter(of).length / rollouts.length;
    onEvent({
      stage: 'update',
      update,
      nRollouts: rollouts.length,
      nDecisions: rollouts.reduce((sum, { decisions }) => sum + decisions.length, 0),
      leftShare: share(({ hasLeft }) => hasLeft),
      shownShare: share(({ text }) => text !== ''),
      sigma: Math.exp(networks.logSigma.dataSync()[0]),
      rolloutMs: collected - start,
      updateMs: clock() - collected,
      ...statistics,
    });
    await turn();
  }

  async #lookAtHeldOut(networks: ActorCritic, update: number): Promise<HeldOutResult> {
    const { heldOut, combiner, onEvent } = this.#options;
    const file = this.#fileOf(networks.exportActor(), {});
    let [reward, shown, exact] = [0, 0, 0];
    for (const cursor of heldOut) {
      const policy = createActorPolicy(
        file,
        cursor.members.map(({ id }) => id),
      );
      const offered = await completed(cursor, { policy, combiner, isExplicit: false });
      const asked = await completed(cursor, { policy, combiner, isExplicit: true });
      reward += offered.reward;
      if (offered.text !== '') shown++;
      if (asked.text.trimEnd() === cursor.target.trimEnd()) exact++;
    }
    const n = Math.max(1, heldOut.length);
    const bitsPerByte = bitsPerSymbol(networks, this.#heldOutText);
    const result = { reward: reward / n, shown: shown / n, exact: exact / n, bitsPerByte };
    onEvent({ stage: 'heldOut', update, ...result });
    return result;
  }

  #fileOf({ network, logSigma }: ActorWeights, notes: Readonly<Record<string, unknown>>): PolicyFile {
    const { name, algorithm, combiner, granularity, spanLength, groups, seed } = this.#options;
    const { shape, slots } = this.#layout;
    return {
      format: 'consort-policy',
      formatVersion: 1,
      name,
      version: '1',
      algorithm,
      combiner,
      granularity,
      spanLength,
      observation: {
        version: observationVersion,
        groups: [...groups],
        memberFeatures: shape.memberFeatures,
        sharedFeatures: shape.sharedFeatures,
      },
      members: shape.kind === 'slots' ? [...slots] : '*',
      network,
      logSigma,
      stopThreshold: 0.5,
      training: { seed, ...this.#options.notes, ...notes },
    };
  }
}

/** Seeds of stages that have nothing to do with each other; so an update draws the same after a resume. */
function seedFor(seed: number, stage: number): number {
  return Math.imul(seed, 0x9e3779b1) ^ Math.imul(stage + 1, 0x85ebca6b);
}

/** Lets the thread attend to its messages. */
function turn(): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve));
}
