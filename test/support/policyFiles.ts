import { featureGroups, type PolicyFile } from '../../src/config/policyFile.ts';
import { randomNumbers } from '../../src/evaluation/random.ts';
import { MEMBER_FEATURES, SHARED_FEATURES } from '../../src/policy/features.ts';
import { initialNetwork, jointShape, perMemberShape } from '../../src/policy/network.ts';

/** A policy that has learned nothing, for these members or for any. */
export function untrainedPolicy(
  members: PolicyFile['members'],
  changes: Partial<PolicyFile> = {},
): PolicyFile {
  const shape = members === '*' ? perMemberShape : jointShape(members.length);
  return {
    format: 'consort-policy',
    formatVersion: 1,
    name: members === '*' ? 'mappo' : 'ppo',
    version: '1',
    algorithm: members === '*' ? 'mappo' : 'ppo',
    combiner: 'linear',
    granularity: 'token',
    spanLength: 4,
    observation: {
      version: 1,
      groups: [...featureGroups],
      memberFeatures: MEMBER_FEATURES,
      sharedFeatures: SHARED_FEATURES,
    },
    members,
    network: initialNetwork(shape, randomNumbers(1)),
    logSigma: -1,
    stopThreshold: 0.5,
    training: {},
    ...changes,
  };
}

/** The same with random weights everywhere: what it does has no sense, but it depends on everything it sees. */
export function randomPolicy(
  members: PolicyFile['members'],
  changes: Partial<PolicyFile> = {},
  stopBias = 0,
): PolicyFile {
  const file = untrainedPolicy(members, changes);
  const random = randomNumbers(7);
  const fill = (scale: number, layer: PolicyFile['network']['action'], bias = 0) => ({
    ...layer,
    weights: layer.weights.map(() => scale * (2 * random() - 1)),
    bias: layer.bias.map(() => bias),
  });
  const { network } = file;
  // Exponents must not all fall to 0: their product would say nothing.
  const actionScale = file.combiner === 'linear' ? 1.5 : 0.1;
  return {
    ...file,
    network: {
      ...network,
      action: fill(actionScale, network.action),
      stop: fill(1.5, network.stop, stopBias),
    },
  };
}
