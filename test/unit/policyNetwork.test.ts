import { expect, test } from 'vitest';
import type { DenseLayer, PolicyNetwork } from '../../src/config/policyFile.ts';
import { randomNumbers } from '../../src/evaluation/random.ts';
import { MEMBER_FEATURES, SHARED_FEATURES } from '../../src/policy/features.ts';
import { JointNetwork, PerMemberNetwork } from '../../src/policy/network.ts';
import { createObservation } from '../../src/policy/observation.ts';
import { randomPolicy } from '../support/policyFiles.ts';

const random = randomNumbers(3);

/** inputs · weights + bias, as it is written. */
function dense({ inputs, outputs, weights, bias }: DenseLayer, input: readonly number[]): number[] {
  expect(input).toHaveLength(inputs);
  return Array.from({ length: outputs }, (_, o) =>
    input.reduce((sum, x, i) => sum + x * weights[i * outputs + o], bias[o]),
  );
}

const deep = (layers: readonly DenseLayer[], input: readonly number[]) =>
  layers.reduce<readonly number[]>((x, layer) => dense(layer, x).map(Math.tanh), input);

const stopOf = ({ stopHidden, stop }: PolicyNetwork, input: readonly number[]) =>
  dense(stop, deep(stopHidden, input))[0];

/** Numbers as features are: many of them 0. */
function observed(nMembers: number) {
  const observation = createObservation(nMembers);
  for (const features of [observation.members, observation.shared]) {
    for (let k = 0; k < features.length; k++) features[k] = random() < 0.4 ? 0 : 2 * random() - 1;
  }
  return observation;
}

test('one agent: what the layers say, run after run', () => {
  const { network } = randomPolicy(['a', 'b', 'c']);
  const joint = new JointNetwork(network);
  for (let run = 0; run < 5; run++) {
    const { members, shared } = observed(3);
    joint.run({ members, shared });
    const top = deep(network.hidden, [...shared, ...members]);
    for (const [i, u] of dense(network.action, top).entries()) expect(joint.action[i]).toBeCloseTo(u, 5);
    expect(joint.stopLogit).toBeCloseTo(stopOf(network, top), 5);
  }
});

test.each([1, 2, 4, 5])('an agent per member: what the layers say, for %i members', (nMembers) => {
  const { network } = randomPolicy('*');
  const perMember = new PerMemberNetwork(network, nMembers);
  for (let run = 0; run < 5; run++) {
    const { members, shared } = observed(nMembers);
    perMember.run({ members, shared });
    const rows = Array.from({ length: nMembers }, (_, i) => [
      ...members.subarray(i * MEMBER_FEATURES, (i + 1) * MEMBER_FEATURES),
    ]);
    const mean = (of: readonly (readonly number[])[], k: number) =>
      of.reduce((sum, row) => sum + row[k], 0) / Math.max(1, of.length);
    const tops = rows.map((own, i) => {
      const others = rows.filter((_, j) => j !== i);
      return deep(network.hidden, [...own, ...own.map((_, k) => mean(others, k)), ...shared]);
    });
    for (const [i, top] of tops.entries()) {
      expect(perMember.action[i]).toBeCloseTo(dense(network.action, top)[0], 5);
    }
    expect(shared).toHaveLength(SHARED_FEATURES);
    const stopInput = [...tops[0].map((_, k) => mean(tops, k)), ...shared];
    expect(perMember.stopLogit).toBeCloseTo(stopOf(network, stopInput), 5);
    expect(perMember.stopLogit).toBeCloseTo(stopOf(network, stopInput), 5);
  }
});
