import { expect, test } from 'vitest';
import { type Job, planPolicies } from '../../scripts/policyPlan.ts';

const jobs = planPolicies({
  work: '/work',
  packages: {
    policyTrain: ['/packages/policyTrain/python/a', '/packages/policyTrain/typescript/b'],
    policyDev: ['/packages/policyDev/python/c'],
    test: ['/packages/test/python/d', '/packages/test/typescript/e'],
  },
  sizes: {
    trainCursors: 10,
    devCursors: 5,
    testCursors: 4,
    seeds: [1, 2, 3],
    updates: 3,
    ablationUpdates: 2,
    groupCursors: 8,
    groupEpochs: 1,
    timed: 6,
  },
});
const wordsOf = ({ action }: Job) => ('consort' in action ? action.consort : [action.copy, action.to]);
/** All that a job reads or writes, and all that was read or written for it. */
const traces = (job: Job): string[] => [
  ...wordsOf(job),
  ...job.needs.flatMap((id) => jobs.filter((other) => other.id === id)).flatMap(traces),
];

test('nothing is trained or tuned on what it is tested on', () => {
  const learning = jobs.filter((job) => ['train', 'tune'].includes(wordsOf(job)[0]));
  expect(learning.length).toBeGreaterThan(10);
  for (const job of learning) {
    expect(traces(job).filter((word) => /(packages|paths)\/test\b/.test(word))).toEqual([]);
  }
  const measuring = jobs.filter((job) => wordsOf(job)[0] === 'evaluate');
  for (const job of measuring) {
    const place = job.id.endsWith('OnPolicyDev') ? /paths\/policyDev\b/ : /(packages|paths)\/test\b/;
    expect(wordsOf(job).join(' ')).toMatch(place);
  }
});

test('whatever a job needs or reads is made before it', () => {
  const made = new Set<string>();
  for (const [i, job] of jobs.entries()) {
    const before = jobs.slice(0, i).map(({ id }) => id);
    expect(before).toEqual(expect.arrayContaining([...job.needs]));
    const [command, ...words] = wordsOf(job);
    const out = words.indexOf('--out');
    const inputs = words
      .filter((_, k) => k !== out + 1)
      .join(',')
      .split(',')
      .filter((word) => /^\/work\/.*\.json$/.test(word));
    for (const input of inputs) expect(made, `${job.id} reads ${input}`).toContain(input);
    if (out >= 0 && command !== 'collect') made.add(words[out + 1]);
  }
});

test('a policy that is to be transferred has seen one language only', () => {
  const [transfer] = jobs.filter(({ id }) => id === 'train-transfer').map(wordsOf);
  const places = transfer.filter((word) => word.startsWith('/work/paths'));
  expect(places).toEqual(['/work/paths/policyTrain/typescript', '/work/paths/policyDev/typescript']);
});
