import { expect, test } from 'vitest';
import { formatPolicyFile, parsePolicyFile } from '../../src/config/policyFile.ts';
import { actorProblem } from '../../src/policy/actorPolicy.ts';
import { randomPolicy } from '../support/policyFiles.ts';

const policy = randomPolicy(['a', 'b'], { evaluation: { bitsPerByte: 0.5 } });
const text = formatPolicyFile(policy);
const base64 = (...values: number[]) => Buffer.from(Float32Array.from(values).buffer).toString('base64');

test('what is written is read again, to the last bit', () => {
  expect(parsePolicyFile(text)).toEqual({ file: policy });
  const perMember = randomPolicy('*', { algorithm: 'gate' });
  expect(parsePolicyFile(formatPolicyFile(perMember))).toEqual({ file: perMember });
});

/** The file with something else at one place. */
function altered(path: string, value: unknown): string {
  const file = JSON.parse(text);
  const names = path.split('.');
  const last = names.pop() ?? '';
  names.reduce((at, name) => at[name], file)[last] = value;
  return JSON.stringify(file);
}

const damages: { name: string; text: string; says: RegExp }[] = [
  { name: 'cut off', text: text.slice(0, text.length >> 1), says: /not JSON, or only the beginning/ },
  { name: 'empty', text: '', says: /not JSON/ },
  { name: 'something else', text: '{"version": 3}', says: /not a policy file/ },
  { name: 'a list', text: '[]', says: /not a policy file/ },
  { name: 'another format', text: altered('formatVersion', 2), says: /format has version 2.*reads 1/ },
  {
    name: 'another observation',
    text: altered('observation.version', 7),
    says: /observation version 7.*has 1/,
  },
  {
    name: 'an unknown group of features',
    text: altered('observation.groups', ['hedge', 'smell']),
    says: /observation\.groups\.1/,
  },
  {
    name: 'NaN',
    text: altered('network.stop.bias', base64(Number.NaN)),
    says: /network\.stop\.bias: holds a number that is not finite/,
  },
  {
    name: 'infinity',
    text: altered('network.action.bias', base64(0, Number.POSITIVE_INFINITY)),
    says: /network\.action\.bias: holds a number that is not finite/,
  },
  { name: 'no base64', text: altered('network.stop.bias', '?'), says: /network\.stop\.bias: is not base64/ },
  {
    name: 'half a number',
    text: altered('network.stop.bias', 'AAAA'),
    says: /network\.stop\.bias: does not hold whole numbers/,
  },
  {
    name: 'weights missing',
    text: altered('network.stop.weights', base64(1)),
    says: /has 1 weights, not 64/,
  },
  { name: 'too many biases', text: altered('network.stop.bias', base64(1, 2)), says: /has 2 biases, not 1/ },
  {
    name: 'another number of members',
    text: altered('members', ['a', 'b', 'c']),
    says: /network\.hidden: a layer has \d+ inputs, not \d+/,
  },
  { name: 'a member twice', text: altered('members', ['a', 'a']), says: /named twice/ },
  { name: 'one agent for any members', text: altered('members', '*'), says: /ppo has an output for each/ },
  { name: 'agents for some members', text: altered('algorithm', 'mappo'), says: /mappo has one agent/ },
  { name: 'a field too many', text: altered('extra', 1), says: /extra/ },
  { name: 'a threshold that is none', text: altered('stopThreshold', 2), says: /stopThreshold/ },
];
for (const { name, text: damaged, says } of damages) {
  test(`a policy file is refused: ${name}`, () => {
    const { file, problem } = parsePolicyFile(damaged);
    expect(file).toBeUndefined();
    expect(problem?.message).toMatch(says);
    expect(problem?.hint).toMatch(/choose another policy/);
  });
}

test('a policy is refused where it does not know a member, or sees other features', () => {
  expect(actorProblem(policy, ['b', 'a'])).toBeUndefined();
  expect(actorProblem(policy, ['b'])).toBeUndefined();
  expect(actorProblem(policy, ['b', 'x'])?.message).toMatch(/does not know the member x/);
  expect(actorProblem(randomPolicy('*'), ['x', 'y'])).toBeUndefined();
  const observation = { ...policy.observation, memberFeatures: 3 };
  expect(actorProblem({ ...policy, observation }, ['a'])?.message).toMatch(/sees 3 \+ \d+ features/);
});
