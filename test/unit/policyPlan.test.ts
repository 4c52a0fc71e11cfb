import { expect, test } from 'vitest';
import { chosenStopThreshold, collectedFiles, type Job, planPolicies } from '../../scripts/policyPlan.ts';

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

const outputOf = (job: Job) => {
  const words = wordsOf(job);
  return 'consort' in job.action ? words[words.indexOf('--out') + 1] : job.action.to;
};
/** Files and folders of the work that a job reads. */
const inputsOf = (job: Job) => {
  const words = wordsOf(job).join().split(',');
  const own = outputOf(job);
  const read = words.filter((word) => word.startsWith('/work/') && word !== own);
  return words.includes('--resume') ? [...read, `${own}.checkpoint`] : read;
};
const ancestors = (job: Job): string[] =>
  jobs.filter(({ id }) => job.needs.includes(id)).flatMap((other) => [other.id, ...ancestors(other)]);

test.each(jobs.map((job) => [job.id, job] as const))('%s waits for all that it reads', (_, job) => {
  const before = jobs.slice(0, jobs.indexOf(job)).map(({ id }) => id);
  expect(before).toEqual(expect.arrayContaining([...job.needs]));
  for (const input of inputsOf(job)) {
    // A folder is made by all who write into it, and a checkpoint by who writes the file beside it.
    const makers = jobs.filter((other) => {
      const output = outputOf(other);
      return other !== job && (output.startsWith(input) || input.startsWith(output));
    });
    expect(makers, `${job.id} reads ${input}`).not.toEqual([]);
    expect(ancestors(job), `${job.id} reads ${input}`).toEqual(
      expect.arrayContaining(makers.map(({ id }) => id)),
    );
  }
});

test('the paths of every package and seed have files of their own', () => {
  const files = new Set(jobs.flatMap(collectedFiles));
  expect([...files].toSorted()).toEqual([
    '/work/paths/policyDev/python/c.paths',
    '/work/paths/policyTrain/python/a.paths',
    '/work/paths/policyTrain/typescript/b.paths',
    ...[1, 2, 3].flatMap((seed) => [
      `/work/paths/test/seed${seed}/python/d.paths`,
      `/work/paths/test/seed${seed}/typescript/e.paths`,
    ]),
  ]);
});

test('a policy that is to be transferred has seen one language only', () => {
  const [transfer] = jobs.filter(({ id }) => id === 'train-transfer').map(wordsOf);
  const places = transfer.filter((word) => word.startsWith('/work/paths'));
  expect(places).toEqual(['/work/paths/policyTrain/typescript', '/work/paths/policyDev/typescript']);
});

test('as much is shown as costs no reward against Hedge', () => {
  const at = (reward: number, keystrokesSaved: number) => ({ reward, keystrokesSaved });
  const found = {
    hedge: at(0.36, 0.08),
    mappo: at(0.4, 0.07),
    'mappo@0.3': at(0.4, 0.06),
    'mappo@0.9': at(0.38, 0.09),
    'mappo@0.95': at(0.37, 0.1),
    'mappo@0.97': at(0.35, 0.12),
  };
  expect(chosenStopThreshold(found)).toBe(0.95);
  expect(chosenStopThreshold({ ...found, hedge: at(0.5, 0.08) })).toBeNull();
});
