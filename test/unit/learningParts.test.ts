import { setImmediate } from 'node:timers/promises';
import { describe, expect, test } from 'vitest';
import { defaultSettings } from '../../src/config/settings.ts';
import { createExclusion } from '../../src/server/learning/exclusion.ts';
import { TextScorer } from '../../src/server/learning/textScorer.ts';
import { fakeClock } from '../support/fakeClock.ts';

describe('files that nothing is learned from', () => {
  const isExcluded = createExclusion(defaultSettings);
  const cases: Record<string, boolean> = {
    'file:///home/a/project/src/main.ts': false,
    'file:///home/a/project/.env': true,
    'file:///home/a/project/deep/.env.local': true,
    'file:///home/a/%2Eenv.production': true,
    'file:///c%3A/project/server.pem': true,
    'file:///home/a/tls.key': true,
    'file:///home/a/secrets.ts': true,
    'file:///home/a/keys.ts': false,
    'untitled:Untitled-1': false,
    'not a uri': true,
  };
  test.each(Object.entries(cases))('%s: %s', (uri, expected) => {
    expect(isExcluded({ uri, languageId: 'typescript' })).toBe(expected);
  });

  test('secrets stay excluded when the setting is emptied, and languages can be', () => {
    const emptied = createExclusion({ 'learning.excludedFiles': [], 'learning.excludedLanguages': ['sql'] });
    const excluded = (uri: string, languageId: string) => emptied({ uri, languageId });
    expect(excluded('file:///a/.env', 'typescript')).toBe(true);
    expect(excluded('file:///a/b.sql', 'sql')).toBe(true);
    expect(excluded('file:///a/b.ts', 'typescript')).toBe(false);
  });
});

/** A scorer with what it was asked and what it told. */
function start(score: (text: string) => Promise<void> = async () => {}) {
  const clock = fakeClock();
  const events: string[] = [];
  const open = new Set(['file:///a']);
  const scorer = new TextScorer({
    schedule: clock.schedule,
    async score(_, text) {
      events.push(`score ${text}`);
      await score(text);
      return { members: [], nBytes: text.length, steps: [] };
    },
    isOpen: (uri) => open.has(uri),
    onScored: (_, { nBytes }) => events.push(`scored ${nBytes}`),
  });
  const add = (text: string, uri = 'file:///a') =>
    scorer.add({ uri, languageId: 'typescript', text: '', offset: 0 }, text);
  const wait = async (milliseconds: number) => {
    clock.advance(milliseconds);
    await setImmediate();
  };
  return { scorer, events, add, wait };
}

describe('texts are scored', () => {
  test('when nothing has happened for 5 s, one after the other', async () => {
    const { scorer, events, add, wait } = start();
    add('one');
    add('three');
    await wait(4999);
    scorer.busy();
    await wait(4999);
    expect(events).toEqual([]);
    await wait(1);
    expect(events).toEqual(['score one', 'scored 3', 'score three', 'scored 5']);
  });

  test('again later where something came between, three times at most', async () => {
    const { events, add, wait } = start(() => Promise.reject(new Error('busy')));
    add('one');
    for (let i = 0; i < 5; i++) await wait(5000);
    expect(events).toEqual(['score one', 'score one', 'score one']);
  });

  test('not of a document that is closed, nor of endless lines', async () => {
    const { events, add, wait } = start();
    add('one', 'file:///closed');
    add('x'.repeat(401));
    await wait(5000);
    expect(events).toEqual([]);
  });

  test('not after consent has ended', async () => {
    const { scorer, events, add, wait } = start();
    add('one');
    scorer.clear();
    await wait(5000);
    expect(events).toEqual([]);
  });
});
