import { afterEach, describe, expect, test } from 'vitest';
import { defaultSettings, type Settings } from '../../src/config/settings.ts';
import { type CompletionRequest, Engine } from '../../src/server/engine.ts';
import { PolicyStore } from '../../src/server/policyStore.ts';
import { type ToyMember, toyLibrary, toyMember } from '../support/toyMember.ts';

const engines: Engine[] = [];
const warnings: string[] = [];
afterEach(async () => {
  warnings.length = 0;
  for (const engine of engines.splice(0)) await engine.close();
});

function startEngine(
  sources: readonly ToyMember[],
  settings: Partial<Settings> = {},
  library = toyLibrary(),
  onRequest = () => {},
): Engine {
  const all = { ...defaultSettings, minimumConfidence: 0.001, policy: 'hedge' as const, ...settings };
  const log = { warn: (line: string) => void warnings.push(line) };
  const engine = new Engine({
    settings: all,
    sources,
    policies: new PolicyStore(all, { trusted: true, log }),
    library,
    onChange: () => {},
    onRequest,
    memberDeadlineMs: 30,
    loadingDeadlineMs: 1000,
  });
  engines.push(engine);
  return engine;
}

/** A request at the █ of a text; what the suggest widget would replace stands between « and », with its item. */
function at(
  marked: string,
  options: { item?: string; explicit?: boolean; languageId?: string } = {},
): CompletionRequest {
  const clean = (text: string) => text.replace(/[█«»]/gu, '');
  const position = (mark: string) => clean(marked.slice(0, marked.indexOf(mark))).length;
  return {
    uri: 'file:///a.ts',
    languageId: options.languageId ?? 'typescript',
    text: clean(marked),
    offset: position('█'),
    isExplicit: options.explicit ?? false,
    ...(options.item !== undefined && {
      selected: { start: position('«'), end: position('»'), text: options.item },
    }),
  };
}

const never = new AbortController().signal;

async function check(
  engine: Engine,
  request: CompletionRequest,
  expected: { text?: string; replaces?: string; reason?: string; members?: string[] },
): Promise<void> {
  const { item, report } = await engine.complete(request, never);
  expect(report.noCompletionReason).toBe(expected.reason ?? null);
  expect(item?.insertText).toBe(expected.text);
  expect(report.tokens.map((token) => token.text).join('')).toBe(report.text);
  for (const { shares } of report.tokens) {
    expect(Object.values(shares).reduce((sum, share) => sum + share, 0)).toBeCloseTo(1, 9);
  }
  if (expected.replaces !== undefined)
    expect(request.text.slice(item?.start, item?.end)).toBe(expected.replaces);
  if (expected.members) expect(report.members.map(({ id }) => id)).toEqual(expected.members);
}

describe('completions', () => {
  test('come from all members, with their shares', async () => {
    const engine = startEngine([toyMember('one', 'foo(x);'), toyMember('two', 'foo(x);')]);
    await engine.ready();
    const { report } = await engine.complete(at('const a = █'), never);
    expect(report.text).toBe('foo(x);');
    expect(report.stopReason).toBe('endOfLine');
    expect(Object.keys(report.tokens[0].shares)).toEqual(['one', 'two']);
    expect(report.latencyMs.total).toBeGreaterThanOrEqual(report.latencyMs.prefill);
  });

  test('come from the members that are meant for the language', async () => {
    const engine = startEngine([
      toyMember('one', 'foo;'),
      toyMember('two', 'foo;', { languages: ['python'] }),
    ]);
    await engine.ready();
    await check(engine, at('a = █'), { text: 'foo;', members: ['one'] });
    await check(engine, at('b = █', { languageId: 'python' }), { text: 'foo;', members: ['one', 'two'] });
  });

  test('wait for the first member while none is loaded', async () => {
    await check(startEngine([toyMember('one', 'foo')]), at('█'), { text: 'foo' });
  });

  test('of a cursor in a CRLF document carry no line end', async () => {
    const member = toyMember('one', 'foo\r\nbar');
    await check(startEngine([member]), at('a\r\n█\r\nb'), { text: 'foo' });
    expect(new TextDecoder().decode(member.opened[0].suffix)).toBe('\r\nb');
  });

  test('stop before what follows the cursor', async () => {
    await check(startEngine([toyMember('one', 'x)')]), at('foo(█)'), { text: 'x' });
  });

  test('are not shown when improbable, unless asked for', async () => {
    const engine = startEngine([toyMember('one', 'foo')], { minimumConfidence: 0.99 });
    await check(engine, at('█'), { reason: 'lowConfidence' });
    await check(engine, at('█', { explicit: true }), { text: 'foo' });
  });
});

describe('no completion, with its reason', () => {
  const cases: Record<string, [CompletionRequest, Partial<Settings>]> = {
    disabled: [at('█'), { enable: false }],
    languageDisabled: [at('█', { languageId: 'markdown' }), {}],
    documentTooLarge: [at(`█${'x'.repeat(1001)}`), { maximumFileKilobytes: 1 }],
    documentNotText: [at('█\0'), {}],
    cursorInsideCharacter: [{ ...at('😀█'), offset: 1 }, {}],
    empty: [at('nothing follows█'), {}],
  };
  for (const [reason, [request, settings]] of Object.entries(cases)) {
    test(reason, () => check(startEngine([toyMember('one', '')], settings), request, { reason }));
  }

  test('documentTooLarge counts bytes', async () => {
    const engine = startEngine([toyMember('one', 'x')], { maximumFileKilobytes: 1 });
    await check(engine, at(`█${'é'.repeat(501)}`), { reason: 'documentTooLarge' });
    await check(engine, at(`█${' '.repeat(1000)}`), { text: 'x' });
  });

  test('noMembers', async () => {
    await check(startEngine([]), at('█'), { reason: 'noMembers' });
    const broken = toyMember('broken', '', { startError: new Error('no such file') });
    const engine = startEngine([broken, toyMember('off', 'x')], { disabledMembers: ['off'] });
    await check(engine, at('█'), { reason: 'noMembers' });
    expect(engine.status().members).toMatchObject([
      { id: 'broken', state: 'failed', message: expect.stringMatching(/^no such file\. Restart/) },
      { id: 'off', state: 'disabled' },
    ]);
  });
});

describe('an open suggest widget', () => {
  test('is completed as if its item were chosen', async () => {
    const member = toyMember('one', '(x)');
    await check(startEngine([member]), at('foo.«fo█»;', { item: 'forEach' }), {
      text: 'forEach(x)',
      replaces: 'fo',
    });
    expect(new TextDecoder().decode(member.opened[0].prefix)).toBe('foo.forEach');
  });

  test('conflicts where its item does not add to what is typed', async () => {
    const engine = startEngine([toyMember('one', 'x')]);
    const reason = 'conflictsWithSuggestion';
    await check(engine, at('foo.«fe█»', { item: 'forEach' }), { reason });
    await check(engine, at('«foo».█', { item: 'forEach' }), { reason });
    await check(engine, at('«fo█»', { item: 'for\n' }), { reason });
  });
});

describe('typing along', () => {
  test('gets the rest of the last completion without asking the members', async () => {
    const member = toyMember('one', 'bar(x)');
    const engine = startEngine([member]);
    const first = await engine.complete(at('foo.█'), never);
    const second = await engine.complete(at('foo.ba█'), never);
    expect(second).toMatchObject({ item: { insertText: 'r(x)', start: 6, end: 6 }, isRepeated: true });
    expect(second.report.id).toBe(first.report.id);
    await check(engine, at('foo.«ba█»', { item: 'bar' }), { text: 'bar(x)', replaces: 'ba' });
    expect(member.opened).toHaveLength(1);
  });

  test('asks again by hand, after other text and after a change of settings', async () => {
    const member = toyMember('one', 'bar(x)');
    const engine = startEngine([member]);
    await engine.complete(at('foo.█'), never);
    await engine.complete(at('foo.b█', { explicit: true }), never);
    await engine.complete(at('foo.bx█'), never);
    engine.configure({ ...defaultSettings, combiner: 'geometric' }, [member]);
    await engine.complete(at('foo.bx█'), never);
    expect(member.opened).toHaveLength(4);
  });
});

describe('a member that misbehaves does not keep the others from answering', () => {
  const misbehaviours = {
    'fails to load': { startError: new Error('corrupt') },
    'breaks when it reads': { atOpen: 'reject' },
    'hangs when it reads': { atOpen: 'hang' },
    'breaks inside a line': { atByte: { index: 1, how: 'reject' } },
    'hangs inside a line': { atByte: { index: 1, how: 'hang' } },
  } as const;
  for (const [name, behaviour] of Object.entries(misbehaviours)) {
    test(name, async () => {
      const engine = startEngine([toyMember('bad', 'foo', behaviour), toyMember('good', 'foo')]);
      await engine.ready();
      await check(engine, at('█'), { text: 'foo', members: ['good'] });
      if (name.startsWith('hangs')) engines.splice(0); // it never comes to rest
    });
  }

  test('and is started again a few times', async () => {
    const bad = toyMember('bad', 'foo', { atOpen: 'reject' });
    const engine = startEngine([bad, toyMember('good', 'foo')]);
    for (let i = 0; i < 6; i++) {
      await engine.ready();
      await check(engine, at('█', { explicit: true }), { text: 'foo' });
    }
    await engine.ready();
    expect(bad.log).toEqual(['start', 'close', 'start', 'close', 'start', 'close', 'start']);
    expect(engine.status().members[0]).toMatchObject({
      state: 'failed',
      message: expect.stringMatching(/^bad broke\. Restart/),
    });
  });
});

describe('one request at a time', () => {
  test('the newest counts', async () => {
    const engine = startEngine([toyMember('one', 'foo'), toyMember('two', 'foo')]);
    await engine.ready();
    const answers = await Promise.all(['a█', 'b█', 'c█'].map((text) => engine.complete(at(text), never)));
    expect(answers.map(({ report }) => report.noCompletionReason)).toEqual(['cancelled', 'cancelled', null]);
  });

  test('that it was asked for is told at once', async () => {
    let nRequests = 0;
    const engine = startEngine([toyMember('one', 'foo')], {}, toyLibrary(), () => nRequests++);
    await engine.ready();
    const answer = engine.complete(at('a█'), never);
    expect(nRequests).toBe(1);
    await answer;
  });

  test('a signal cancels', async () => {
    const engine = startEngine([toyMember('one', 'foo')]);
    await engine.ready();
    const controller = new AbortController();
    const answer = engine.complete(at('█'), controller.signal);
    controller.abort();
    expect((await answer).report.noCompletionReason).toBe('cancelled');
    expect((await engine.complete(at('█'), controller.signal)).report.noCompletionReason).toBe('cancelled');
    await check(engine, at('█'), { text: 'foo' });
  });
});

test('members follow the settings', async () => {
  const one = toyMember('one', 'foo');
  const two = toyMember('two', 'foo');
  const engine = startEngine([one, two]);
  engine.configure({ ...defaultSettings, disabledMembers: ['two'] }, [one, two]);
  engine.configure(defaultSettings, [one, two, toyMember('three', 'bar')]);
  engine.configure({ ...defaultSettings, disabledMembers: ['one'] }, [one, two]);
  await engine.ready();
  await check(engine, at('█', { explicit: true }), { text: 'foo', members: ['two'] });
  expect(one.log).toEqual(['start', 'close']);
  expect(two.log).toEqual(['start', 'close', 'start']);
});

describe('a text is scored', () => {
  test('by all members of the language, in the document as it was then', async () => {
    const library = toyLibrary();
    const members = [
      toyMember('one', 'foo(x);'),
      toyMember('two', 'bar'),
      toyMember('three', 'foo', { languages: ['python'] }),
    ];
    const engine = startEngine(members, {}, library);
    await engine.ready();
    const scored = await engine.score(at('a = █\nb'), 'foo(y)');
    expect(scored).toMatchObject({ members: ['one', 'two'], nBytes: 6 });
    expect(scored?.steps.map(({ nBytes }) => nBytes)).toEqual([3, 1, 1, 1, 0]);
    const [first] = scored?.steps ?? [];
    expect(first.logLikelihoods[0]).toBeGreaterThan(first.logLikelihoods[1] + 5);
    expect(library.calls).toEqual(['preview file:///a.ts a = \nb', 'restore file:///a.ts']);
  });

  test('after the completion under way, and not where another is asked for', async () => {
    const engine = startEngine([toyMember('one', 'foo')]);
    await engine.ready();
    const under = engine.complete(at('a = █'), never);
    expect(await engine.score(at('b = █'), 'x')).not.toBeNull();
    expect((await under).report.text).toBe('foo');
    const dropped = expect(engine.score(at('b = █'), 'x')).rejects.toThrow();
    await check(engine, at('c = █'), { text: 'foo' });
    await dropped;
  });

  test('by nobody where no member is there', async () => {
    const engine = startEngine([toyMember('one', 'foo', { languages: ['python'] })]);
    await engine.ready();
    expect(await engine.score(at('█'), 'x')).toBeNull();
  });
});
