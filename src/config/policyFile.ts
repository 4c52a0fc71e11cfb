import * as z from 'zod';

/** What a policy may know about a completion: version of the features and their groups, each of which can be left out. */
export const observationVersion = 1;
export const featureGroups = [
  'hedge',
  'history',
  'shape',
  'agreement',
  'responsibility',
  'ngram',
  'alignment',
  'lexical',
  'progress',
] as const;

const finite = z.number();
const count = z.int().min(1).max(4096);

const floats = z.base64('is not base64').transform((text, context): Float32Array => {
  const bytes = Buffer.from(text, 'base64');
  const numbers = new Float32Array(Math.floor(bytes.length / 4));
  for (let i = 0; i < numbers.length; i++) numbers[i] = bytes.readFloatLE(4 * i);
  if (bytes.length % 4 !== 0) context.addIssue('does not hold whole numbers of 4 bytes');
  if (!numbers.every(Number.isFinite)) context.addIssue('holds a number that is not finite');
  return numbers;
});

const layerSchema = z
  .strictObject({
    inputs: count,
    outputs: count,
    weights: floats.describe('Row by row, one row of outputs per input; float32, little-endian, base64.'),
    bias: floats.describe('One per output.'),
  })
  .superRefine(({ inputs, outputs, weights, bias }, context) => {
    if (weights.length !== inputs * outputs) {
      context.addIssue(`has ${weights.length} weights, not ${inputs} × ${outputs}`);
    }
    if (bias.length !== outputs) context.addIssue(`has ${bias.length} biases, not ${outputs}`);
  });

/** A dense layer: outputs = inputs · weights + bias. */
export type DenseLayer = Readonly<z.output<typeof layerSchema>>;

/** A policy that was learned: a network over the observation, and all that is needed to use it. */
const policySchema = z
  .strictObject({
    format: z.literal('consort-policy', 'is not "consort-policy"'),
    formatVersion: z.literal(1),
    name: z
      .string()
      .regex(/^[A-Za-z0-9][A-Za-z0-9._-]*$/, 'must be letters, digits, dots, dashes and underscores'),
    version: z.string().min(1).describe("The policy's own version."),
    algorithm: z
      .enum(['ppo', 'mappo', 'gate', 'rlaeSpan'])
      .describe(
        'How it was learned: one agent, one agent per member, by log-loss alone, or RLAE as published.',
      ),
    combiner: z.enum(['linear', 'geometric']).describe('What its weights are weights of.'),
    granularity: z
      .enum(['token', 'span'])
      .describe('Whether an action holds for one step or for `spanLength` steps.'),
    spanLength: z.int().min(1).max(64),
    observation: z.strictObject({
      version: z.literal(observationVersion),
      groups: z.array(z.enum(featureGroups)).describe('The groups of features it sees; the others are 0.'),
      memberFeatures: count,
      sharedFeatures: count,
    }),
    members: z
      .union([z.literal('*'), z.array(z.string().min(1)).min(1)])
      .describe('The members that one agent has an output for, sorted; or "*" for an agent per member.'),
    network: z.strictObject({
      hidden: z.array(layerSchema).min(1),
      action: layerSchema.describe('Output: u, one per member.'),
      stopHidden: z.array(layerSchema),
      stop: layerSchema.describe('Output: the logit of stopping.'),
    }),
    logSigma: finite.describe('ln σ of the actions while learning.'),
    stopThreshold: z
      .number()
      .min(0)
      .max(1)
      .describe('It stops where the probability of stopping is above this.'),
    training: z.record(z.string(), z.unknown()).describe('How it was made.'),
    evaluation: z.record(z.string(), z.unknown()).optional(),
  })
  .superRefine((file, context) => {
    const problem = misfit(file);
    if (problem !== undefined) context.addIssue(problem);
  });

export type PolicyFile = Readonly<z.output<typeof policySchema>>;
/** Every layer but the outputs is followed by tanh. */
export type PolicyNetwork = Readonly<PolicyFile['network']>;

export type ParsedPolicyFile =
  | { readonly file: PolicyFile; readonly problem?: never }
  | { readonly file?: never; readonly problem: PolicyProblem };

/** Why a policy cannot be used, in whole sentences for people: what is wrong, and how to mend it. */
export interface PolicyProblem {
  readonly message: string;
  readonly hint: string;
}

const retrainHint = 'Train it again with this version of Consort, or choose another policy.';
const replaceHint = 'Get the file again, or choose another policy.';

/** Reads the text of a policy file. Every number in the result is finite and every layer fits the next. */
export function parsePolicyFile(text: string): ParsedPolicyFile {
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    return refused('It is not JSON, or only the beginning of it', replaceHint);
  }
  const head = versions.safeParse(json);
  if (!head.success) return refused('It is not a policy file of Consort', replaceHint);
  const { formatVersion, observation } = head.data;
  if (formatVersion !== 1) {
    return refused(`Its format has version ${formatVersion}; this version of Consort reads 1`, retrainHint);
  }
  if (observation.version !== observationVersion) {
    return refused(
      `It was made for observation version ${observation.version}; this version of Consort has ${observationVersion}`,
      retrainHint,
    );
  }
  const parsed = policySchema.safeParse(json);
  if (parsed.success) return { file: parsed.data };
  const [issue] = parsed.error.issues;
  return refused([issue.path.join('.'), issue.message].filter((part) => part !== '').join(': '), replaceHint);
}

/** The text of a policy file. */
export function formatPolicyFile(file: PolicyFile): string {
  const { hidden, action, stopHidden, stop } = file.network;
  const network = {
    hidden: hidden.map(encodeLayer),
    action: encodeLayer(action),
    stopHidden: stopHidden.map(encodeLayer),
    stop: encodeLayer(stop),
  };
  return `${JSON.stringify({ ...file, network }, undefined, 1)}\n`;
}

const versions = z.object({
  format: z.literal('consort-policy'),
  formatVersion: z.unknown(),
  observation: z.object({ version: z.unknown() }),
});

function refused(message: string, hint: string): ParsedPolicyFile {
  return { problem: { message: `${message}.`, hint } };
}

function encodeLayer({ inputs, outputs, weights, bias }: DenseLayer) {
  return { inputs, outputs, weights: encodeFloats(weights), bias: encodeFloats(bias) };
}

function encodeFloats(numbers: Float32Array): string {
  const bytes = Buffer.alloc(4 * numbers.length);
  numbers.forEach((number, i) => {
    bytes.writeFloatLE(number, 4 * i);
  });
  return bytes.toString('base64');
}

type NetworkOwner = Pick<PolicyFile, 'algorithm' | 'members' | 'observation' | 'network'>;

/** What does not fit in a file whose layers are sound by themselves. */
function misfit({ algorithm, members, observation, network }: NetworkOwner): string | undefined {
  const isPerMember = members === '*';
  if ((algorithm === 'ppo' || algorithm === 'rlaeSpan') && isPerMember)
    return `members: ${algorithm} has an output for each member it names, not for "*"`;
  if (algorithm === 'mappo' && !isPerMember) return 'members: mappo has one agent per member: "*"';
  if (!isPerMember && new Set(members).size < members.length) return 'members: one is named twice';
  const { memberFeatures, sharedFeatures } = observation;
  const inputs = isPerMember
    ? 2 * memberFeatures + sharedFeatures
    : sharedFeatures + members.length * memberFeatures;
  const hiddenOutputs = network.hidden.at(-1)?.outputs ?? 0;
  return (
    misfitOf('hidden', network.hidden, inputs) ??
    misfitOf('action', [network.action], hiddenOutputs, isPerMember ? 1 : members.length) ??
    misfitOf(
      'stop',
      [...network.stopHidden, network.stop],
      isPerMember ? hiddenOutputs + sharedFeatures : hiddenOutputs,
      1,
    )
  );
}

function misfitOf(name: string, layers: readonly DenseLayer[], inputs: number, outputs?: number) {
  let wanted = inputs;
  for (const layer of layers) {
    if (layer.inputs !== wanted) return `network.${name}: a layer has ${layer.inputs} inputs, not ${wanted}`;
    wanted = layer.outputs;
  }
  if (outputs === undefined || wanted === outputs) return undefined;
  return `network.${name}: it has ${wanted} outputs, not ${outputs}`;
}
