import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { packagePath, readmePath, withSettings, withTable } from '../../scripts/generateSettings.ts';
import {
  defaultSettings,
  isLanguageEnabled,
  parseSettings,
  settingsSchema,
} from '../../src/config/settings.ts';

function check(section: unknown, changed: object, problems: readonly RegExp[] = []): void {
  const parsed = parseSettings(section);
  expect(parsed.settings).toEqual({ ...defaultSettings, ...changed });
  expect(parsed.problems).toHaveLength(problems.length);
  for (const [i, problem] of problems.entries()) expect(parsed.problems[i]).toMatch(problem);
}

test('valid settings are taken, missing ones get their defaults', () => {
  check(undefined, {});
  check(null, {});
  check({}, {});
  check({ enable: false, policy: null }, { enable: false });
  check(
    { index: { enable: false, maximumMegabytes: 7 } },
    { 'index.enable': false, 'index.maximumMegabytes': 7 },
  );
  check({ 'index.enable': false, log: { level: 'debug' } }, { 'index.enable': false, 'log.level': 'debug' });
  check({ debounceMs: { minimum: 0, maximum: 0 } }, { debounceMs: { minimum: 0, maximum: 0 } });
});

test('an invalid setting gets its default and one message that names it', () => {
  check({ enable: 'yes', combiner: 'geometric' }, { combiner: 'geometric' }, [/^consort\.enable: .*boolean/]);
  check({ minimumConfidence: 1.5 }, {}, [/^consort\.minimumConfidence: /]);
  check({ debounceMs: { minimum: 50, maximum: 10 } }, {}, [/^consort\.debounceMs: .*minimum/]);
  check({ debounceMs: 50 }, {}, [/^consort\.debounceMs: /]);
  check({ languages: { python: 'no' } }, {}, [/^consort\.languages: .*python/]);
  check({ index: { maximumMegabytes: -1 }, log: { level: 'loud' } }, {}, [
    /index\.maximumMegabytes/,
    /log\.level/,
  ]);
  check({ polices: 'hedge', index: { enabled: true } }, {}, [
    /consort\.polices: there is no/,
    /consort\.index\.enabled/,
  ]);
  check('hedge', {}, [/must be an object/]);
  check({ index: 3 }, {}, [/consort\.index: /]);
});

test('a language follows its own entry, then *, then yes', () => {
  const enabled = (languages: Record<string, boolean>, languageId: string) =>
    isLanguageEnabled({ ...defaultSettings, languages }, languageId);
  expect(enabled({ '*': true, python: false }, 'python')).toBe(false);
  expect(enabled({ '*': false, python: true }, 'python')).toBe(true);
  expect(enabled({ '*': false }, 'go')).toBe(false);
  expect(enabled({}, 'go')).toBe(true);
  expect(enabled({ '*': true }, 'constructor')).toBe(true);
});

test('package.json and README repeat the declarations (npm run generate brings them up to date)', () => {
  const packageText = readFileSync(packagePath, 'utf8');
  expect(JSON.parse(packageText)).toEqual(JSON.parse(withSettings(packageText)));
  const readmeText = readFileSync(readmePath, 'utf8');
  expect(readmeText).toBe(withTable(readmeText));
});

test('the generated parts name every setting and the restricted ones', () => {
  const manifest = JSON.parse(withSettings('{"name":"x","contributes":{"commands":[]}}'));
  expect(manifest.contributes.commands).toEqual([]);
  const names = Object.keys(settingsSchema.shape).map((name) => `consort.${name}`);
  expect(Object.keys(manifest.contributes.configuration.properties)).toEqual(names);
  expect(manifest.capabilities.untrustedWorkspaces.restrictedConfigurations).toEqual([
    'consort.membersPath',
    'consort.policyPath',
  ]);
  for (const property of Object.values<Record<string, unknown>>(
    manifest.contributes.configuration.properties,
  )) {
    expect(property).toMatchObject({
      markdownDescription: expect.stringMatching(/\.$/),
      scope: expect.any(String),
    });
    expect(property).toHaveProperty('default');
  }
  expect(() => withTable('no markers')).toThrow(/README\.md needs/);
});
