/** What can be tuned of proximal policy optimisation, under Stable-Baselines3's names. */
export interface PpoHyperParameters {
  /** Adam's step size. */
  readonly learningRate: number;
  /** ε of Adam's denominator. */
  readonly adamEpsilon: number;
  /** Decisions collected before each update; whole completions, so a few more. */
  readonly nSteps: number;
  /** Decisions in one minibatch. */
  readonly batchSize: number;
  /** Passes over the collected decisions in one update. */
  readonly nEpochs: number;
  /** γ: a completion is short and its reward comes at its end, so 1. */
  readonly gamma: number;
  /** λ of generalised advantage estimation. */
  readonly gaeLambda: number;
  /** ε of the clipped ratio. */
  readonly clipRange: number;
  /** How far a value may move from the old one before its gradient stops; null: as far as it likes. */
  readonly clipRangeVf: number | null;
  /** Whether the advantages of a minibatch get mean 0 and deviation 1. */
  readonly normalizeAdvantage: boolean;
  /** Weight of the entropy bonus. */
  readonly entCoef: number;
  /** Weight of the value loss. */
  readonly vfCoef: number;
  /** The gradient's greatest global norm. */
  readonly maxGradNorm: number;
  /** An update ends early when the approximate KL divergence exceeds 1.5 times this; null: never. */
  readonly targetKl: number | null;
  /** Completions sampled at each cursor drawn. */
  readonly rolloutsPerCursor: number;
  /**
   * The share of cursors where the completion is made as an explicit request, which the policy cannot end: so the weights
   * stay good where it would rather be silent.
   */
  readonly explicitShare: number;
  /** What a reward is compared with: the critic's value, or the mean of the other completions at the same cursor. */
  readonly baseline: 'critic' | 'group';
  /** Weight of the mean action's squared distance from the warm start's, in units of σ: the KL divergence to it. */
  readonly anchorCoef: number;
  /** Weight of the log-loss of true text, so that what the warm start learned is not forgotten; and rows of it in a minibatch. */
  readonly logLossCoef: number;
  readonly logLossRows: number;
}

export const ppoDefaults: PpoHyperParameters = {
  learningRate: 1e-3,
  adamEpsilon: 1e-5,
  nSteps: 4096,
  batchSize: 1024,
  nEpochs: 4,
  gamma: 1,
  gaeLambda: 0.95,
  clipRange: 0.2,
  clipRangeVf: null,
  normalizeAdvantage: true,
  entCoef: 0.001,
  vfCoef: 0.5,
  maxGradNorm: 0.5,
  targetKl: 0.05,
  rolloutsPerCursor: 8,
  explicitShare: 0.3,
  baseline: 'group',
  anchorCoef: 0,
  logLossCoef: 0.5,
  logLossRows: 256,
};

/** What can be tuned of the supervised warm start. */
export interface GateHyperParameters {
  readonly learningRate: number;
  readonly adamEpsilon: number;
  /** Decoupled weight decay (AdamW), per unit of the learning rate. */
  readonly weightDecay: number;
  /** Rows in one minibatch. */
  readonly batchSize: number;
  /** The most passes over the rows. */
  readonly nEpochs: number;
  readonly maxGradNorm: number;
  /** Passes without a better log-loss on the held-out cursors before training stops. */
  readonly patience: number;
}

export const gateDefaults: GateHyperParameters = {
  learningRate: 1e-3,
  adamEpsilon: 1e-8,
  weightDecay: 1e-2,
  batchSize: 512,
  nEpochs: 30,
  maxGradNorm: 1,
  patience: 3,
};

/** What can be tuned of learning when to stop, before reinforcement learning. */
export interface StopHyperParameters {
  readonly learningRate: number;
  readonly adamEpsilon: number;
  /** Decoupled weight decay (AdamW), per unit of the learning rate. */
  readonly weightDecay: number;
  /** Lines in one minibatch. */
  readonly batchSize: number;
  /** The most passes over the lines. */
  readonly nEpochs: number;
  readonly maxGradNorm: number;
  /** Passes without a better reward at the held-out cursors before it ends. */
  readonly patience: number;
  /** Weight of the entropy: what is worth this much more is e times as likely. */
  readonly entCoef: number;
  /** Weight of the log-loss of true text, so that the weights stay good; and rows of it in a minibatch. */
  readonly logLossCoef: number;
  readonly logLossRows: number;
}

export const stopDefaults: StopHyperParameters = {
  learningRate: 3e-3,
  adamEpsilon: 1e-8,
  weightDecay: 1e-2,
  batchSize: 64,
  nEpochs: 30,
  maxGradNorm: 1,
  patience: 5,
  entCoef: 0.02,
  logLossCoef: 0.5,
  logLossRows: 256,
};

/** What can be tuned of learning on a person's machine from what became of completions. */
export interface OnlineHyperParameters {
  readonly learningRate: number;
  readonly adamEpsilon: number;
  /** Decoupled weight decay (AdamW), per unit of the learning rate. */
  readonly weightDecay: number;
  readonly maxGradNorm: number;
  /** Minibatches of one training, which always begins at the shipped policy. */
  readonly nMinibatches: number;
  /** Of each of them: lines that say when to stop, and steps of true text that say whom to trust. */
  readonly batchLines: number;
  readonly batchRows: number;
  /** Weight of a line that was shown and judged, against one that was only typed. */
  readonly outcomeWeight: number;
  /** A line or text that so many newer ones follow counts half. */
  readonly halfLife: number;
  /** What showing something of which nothing is kept costs beyond the reward: a person's attention. */
  readonly rejectionCost: number;
  /** What as many characters kept as make a full length (80) are worth beyond the reward: keys that need not be pressed. */
  readonly retainedGain: number;
  /** Weight of the entropy of stopping. */
  readonly entCoef: number;
  /** Weight of the log-loss of the steps. */
  readonly logLossCoef: number;
  /** Weight of the KL divergence from the shipped policy, of weights and stops. */
  readonly klCoef: number;
  /** The same of stops alone, times 1 − the reliability of outcomes. */
  readonly unreliableKlCoef: number;
  /** ε of the clipped ratio, and the weight of that objective over actions that were drawn. */
  readonly clipRange: number;
  readonly policyCoef: number;
}

export const onlineDefaults: OnlineHyperParameters = {
  learningRate: 2e-3,
  adamEpsilon: 1e-8,
  weightDecay: 1e-2,
  maxGradNorm: 1,
  nMinibatches: 120,
  batchLines: 48,
  batchRows: 128,
  outcomeWeight: 1,
  halfLife: 300,
  rejectionCost: 3,
  retainedGain: 12,
  entCoef: 0.01,
  logLossCoef: 0.5,
  klCoef: 0.005,
  unreliableKlCoef: 1,
  clipRange: 0.2,
  policyCoef: 0.1,
};

/** All that can be tuned of training a policy. */
export interface HyperParameters {
  readonly ppo: PpoHyperParameters;
  readonly gate: GateHyperParameters;
  readonly stop: StopHyperParameters;
  readonly policy: PolicyHyperParameters;
}

/** What belongs to no stage. */
export interface PolicyHyperParameters {
  /** Steps for which an action of span granularity holds. */
  readonly spanLength: number;
  /** ln σ of the actions at the start of reinforcement learning. */
  readonly initialLogSigma: number;
  /** Updates between two looks at the held-out cursors. */
  readonly evaluateEvery: number;
}

const hyperParameterDefaults: HyperParameters = {
  ppo: ppoDefaults,
  gate: gateDefaults,
  stop: stopDefaults,
  policy: { spanLength: 4, initialLogSigma: -1, evaluateEvery: 10 },
};

/**
 * The defaults with settings such as `ppo.clipRange=0.1` put in. Numbers, true and false, null, or one of the words that the
 * default is one of.
 *
 * @throws a RangeError that says which setting is wrong and which there are
 */
export function parseHyperParameters(settings: readonly string[]): HyperParameters {
  return settings.reduce(withSetting, hyperParameterDefaults);
}

function withSetting(all: HyperParameters, setting: string): HyperParameters {
  const [, group, name, text] = /^(\w+)\.(\w+)=(.+)$/.exec(setting) ?? [];
  const put = <Group extends object>(record: Group): Group => {
    const known = Object.entries(record);
    const [, before] = known.find(([key]) => key === name) ?? [];
    if (before === undefined) {
      throw new RangeError(
        `There is no "${setting}"; of ${group} there are ${known.map(([key]) => key).join(', ')}`,
      );
    }
    const value = parsed(text);
    if (typeof value !== typeof before && value !== null && before !== null) {
      throw new RangeError(
        `${group}.${name} is ${typeof before === 'number' ? 'a number' : typeof before}, not "${text}"`,
      );
    }
    return { ...record, [name]: value };
  };
  if (group === 'ppo') return { ...all, ppo: put(all.ppo) };
  if (group === 'gate') return { ...all, gate: put(all.gate) };
  if (group === 'stop') return { ...all, stop: put(all.stop) };
  if (group === 'policy') return { ...all, policy: put(all.policy) };
  throw new RangeError(
    `"${setting}" is not like ppo.clipRange=0.1, gate.nEpochs=10, stop.entCoef=0.05 or policy.spanLength=8`,
  );
}

function parsed(text: string): number | boolean | null | string {
  if (text === 'true' || text === 'false') return text === 'true';
  if (text === 'null') return null;
  const number = Number(text);
  return Number.isFinite(number) ? number : text;
}
