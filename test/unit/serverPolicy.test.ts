import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, expect, test } from 'vitest';
import { formatPolicyFile, type PolicyFile } from '../../src/config/policyFile.ts';
import { defaultSettings, type Settings } from '../../src/config/settings.ts';
import { Engine } from '../../src/server/engine.ts';
import { PolicyStore } from '../../src/server/policyStore.ts';
import { summarise } from '../../src/server/status.ts';
import { randomPolicy, untrainedPolicy } from '../support/policyFiles.ts';
import { toyLibrary, toyMember } from '../support/toyMember.ts';

const folder = mkdtempSync(join(tmpdir(), 'consort-policy-'));
afterAll(() => rmSync(folder, { recursive: true }));
const engines: Engine[] = [];
afterEach(async () => {
  for (const engine of engines.splice(0)) await engine.close();
});

function write(name: string, policy: PolicyFile | string): string {
  const path = join(folder, `${name}.json`);
  writeFileSync(path, typeof policy === 'string' ? policy : formatPolicyFile(policy));
  return path;
}

const never = new AbortController().signal;

/** An engine over two members that say much the same; `b` is meant for Python alone. */
async function start(changes: Partial<Settings>, trusted = true) {
  const log: string[] = [];
  const settings = { ...defaultSettings, minimumConfidence: 0.001, ...changes };
  const policies = new PolicyStore(settings, {
    policiesPath: folder,
    trusted,
    log: { warn: (line) => void log.push(line) },
  });
  const engine = new Engine({
    settings,
    sources: [toyMember('a', 'b(c, d);'), toyMember('b', 'b(c);', { languages: ['python'] })],
    policies,
    library: toyLibrary(),
    onChange: () => {},
    memberDeadlineMs: 1000,
    loadingDeadlineMs: 1000,
  });
  engines.push(engine);
  await engine.ready();
  const complete = async (languageId = 'python', isExplicit = false) => {
    const request = { uri: 'file:///a', languageId, text: 'x = \n', offset: 4, isExplicit };
    const { report } = await engine.complete(request, never);
    return { text: report.text, stopReason: report.stopReason, silence: report.noCompletionReason };
  };
  return { engine, policies, settings, log, complete };
}

test('without training: the policies by their names', async () => {
  for (const policy of ['hedge', 'fixedShare', 'uniform'] as const) {
    const { engine, complete, log } = await start({ policy });
    expect((await complete()).text).not.toBe('');
    expect(engine.status().policy).toEqual({ name: policy, version: '1' });
    expect(log).toEqual([]);
  }
});

const broken: { name: string; content: string | null; says: RegExp }[] = [
  { name: 'ppo', content: formatPolicyFile(untrainedPolicy(['a'])).slice(0, 500), says: /not JSON/ },
  { name: 'mappo', content: '{}', says: /not a policy file/ },
  { name: 'gate', content: null, says: /cannot be read \(ENOENT\)/ },
];
for (const { name, content, says } of broken) {
  test(`Hedge takes over from a policy that cannot be used, and says so once: ${says}`, async () => {
    if (content !== null) write(name, content);
    const { engine, log, complete } = await start({ policy: name as Settings['policy'] });
    const hedge = await start({ policy: 'hedge' });
    expect(await complete()).toEqual(await hedge.complete());
    await complete('python', true);
    const { message, ...policy } = engine.status().policy;
    expect(policy).toEqual({ name: 'hedge', version: '1' });
    expect(message).toMatch(says);
    expect(message).toContain(join(folder, `${name}.json`));
    expect(log).toEqual([message]);
    const shown = summarise(engine.status(), { isEnabled: true, isCompleting: false });
    expect(shown).toMatchObject({ kind: 'Warning', message });
  });
}

test('a policy that is mended serves again', async () => {
  const policyPath = write('mended', 'no policy');
  const { engine, policies, settings } = await start({ policyPath });
  expect(engine.status().policy.name).toBe('hedge');
  write('mended', untrainedPolicy('*', { name: 'mended', version: '7' }));
  policies.configure(settings);
  expect(engine.status().policy).toEqual({ name: 'mended', version: '7' });
});

test('a person’s own file stands in for the policy that is set, where the workspace is trusted', async () => {
  const policyPath = write('own', untrainedPolicy('*', { name: 'own' }));
  const trusted = await start({ policy: 'uniform', policyPath });
  expect(trusted.engine.status().policy).toEqual({ name: 'own', version: '1' });
  const restricted = await start({ policy: 'uniform', policyPath }, false);
  expect(restricted.engine.status().policy).toEqual({ name: 'uniform', version: '1' });
});

test('where a member takes part that the policy does not know, Hedge takes over', async () => {
  const policyPath = write('half', untrainedPolicy(['a'], { name: 'half' }));
  const { engine, complete, log } = await start({ policyPath, languages: { '*': true } });
  expect((await complete('typescript')).text).toBe('b(c, d);');
  expect(engine.status().policy).toEqual({ name: 'half', version: '1' });
  await complete('python');
  expect(engine.status().policy).toMatchObject({
    name: 'hedge',
    message: expect.stringMatching(/does not know the member b/),
  });
  await complete('python', true);
  await complete('typescript', true);
  expect(engine.status().policy).toEqual({ name: 'half', version: '1' });
  expect(log.length).toBe(1);
});

test('a policy that was only made to be compared with does not serve', async () => {
  const published = untrainedPolicy(['a', 'b'], { name: 'published', algorithm: 'rlaeSpan' });
  const { engine, complete } = await start({ policyPath: write('published', published) });
  await complete();
  expect(engine.status().policy).toMatchObject({
    name: 'hedge',
    message: expect.stringMatching(/published was made to be compared with/),
  });
});

test('a policy may keep silent, but not where the person asks', async () => {
  const policyPath = write('silent', randomPolicy('*', { name: 'silent' }, 100));
  const { complete } = await start({ policyPath });
  expect(await complete()).toEqual({ text: '', stopReason: 'policy', silence: 'lowConfidence' });
  expect(await complete('python', true)).toMatchObject({ stopReason: 'endOfLine', silence: null });
});

test('a learned policy brings its own combiner', async () => {
  const policyPath = write('product', untrainedPolicy('*', { combiner: 'geometric' }));
  const { policies } = await start({ policyPath, combiner: 'linear' });
  const members = [{ id: 'a', kind: 'neural' as const }];
  expect(policies.choose(members).combiner).toBe('geometric');
  const { policies: hedge } = await start({ combiner: 'geometric' });
  expect(hedge.choose(members).combiner).toBe('geometric');
});
