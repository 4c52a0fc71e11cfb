import { afterEach, describe, expect, test } from 'vitest';
import { CancellationTokenSource, ErrorCodes, LSPErrorCodes } from 'vscode-languageserver/node';
import type { CompletionReport } from '../../src/protocol/completion.ts';
import { acceptCommand } from '../../src/protocol/messages.ts';
import { complete, endSessions, type Session, startSession, uri } from '../support/protocolSession.ts';
import { toyMember } from '../support/toyMember.ts';

afterEach(endSessions);

const reportsOf = ({ received }: Session) =>
  received
    .filter(({ method }) => method === 'consort/didComplete')
    .map(({ params }) => params as CompletionReport);

const lastOf = ({ received }: Session, method: string) =>
  received.findLast((message) => message.method === method)?.params;

describe('completions over the protocol', () => {
  test('an item with its range and accept command, and a report', async () => {
    const session = await startSession([toyMember('one', 'foo();')], 'x = \r\ny');
    const items = await complete(session, 4);
    const [report] = reportsOf(session);
    expect(items).toEqual([
      {
        insertText: 'foo();',
        range: { start: { line: 0, character: 4 }, end: { line: 0, character: 4 } },
        command: { title: '', command: acceptCommand, arguments: [report.id] },
      },
    ]);
    expect(report).toMatchObject({ uri, languageId: 'typescript', text: 'foo();', stopReason: 'endOfLine' });
    expect(session.library).toEqual(['folders file:///folder', `set ${uri} x = \r\ny`, `restore ${uri}`]);
  });

  test('typing along after an incremental change gets the rest without a new report', async () => {
    const member = toyMember('one', 'foo();');
    const session = await startSession([member], 'x = \n');
    await complete(session, 4);
    await session.client.sendNotification('textDocument/didChange', {
      textDocument: { uri, version: 2 },
      contentChanges: [
        { range: { start: { line: 0, character: 4 }, end: { line: 0, character: 4 } }, text: 'fo' },
      ],
    });
    const items = await complete(session, 6);
    expect(items?.[0].insertText).toBe('o();');
    expect(reportsOf(session)).toHaveLength(1);
    expect(member.opened).toHaveLength(1);
    expect(session.library.at(-1)).toBe(`set ${uri} x = fo\n`);
  });

  test('the item of an open suggest widget is replaced whole', async () => {
    const session = await startSession([toyMember('one', '(x)')], 'foo.fo');
    const range = { start: { line: 0, character: 4 }, end: { line: 0, character: 6 } };
    const context = { triggerKind: 2, selectedCompletionInfo: { range, text: 'forEach' } };
    expect(await complete(session, 6, context)).toMatchObject([{ insertText: 'forEach(x)', range }]);
  });

  test('a request that a newer one replaces gives nothing and the next one answers', async () => {
    const session = await startSession([toyMember('one', 'foo', { readsSlowlyAtFirst: true })], 'x');
    const answers = await Promise.all([complete(session, 0), complete(session, 1)]);
    expect(answers).toMatchObject([null, [{ insertText: 'foo' }]]);
    expect(reportsOf(session)).toHaveLength(1);
  });

  test.each(['before it is read', 'while it is read'])(
    'a request cancelled %s gives nothing',
    async (when) => {
      const readsSlowlyAtFirst = when === 'while it is read';
      const session = await startSession([toyMember('one', 'foo', { readsSlowlyAtFirst })], 'x');
      const source = new CancellationTokenSource();
      const params = {
        textDocument: { uri },
        position: { line: 0, character: 0 },
        context: { triggerKind: 2 },
      };
      const answer = session.client.sendRequest('textDocument/inlineCompletion', params, source.token);
      if (readsSlowlyAtFirst) await session.client.sendRequest('consort/status');
      source.cancel();
      await answer.then(
        (items) => expect(items).toBeNull(),
        (error) => expect(error.code).toBe(LSPErrorCodes.RequestCancelled),
      );
      expect(await complete(session, 1)).toMatchObject([{ insertText: 'foo' }]);
      expect(reportsOf(session)).toHaveLength(1);
    },
  );

  test('nothing to show is a report with its reason', async () => {
    const session = await startSession([], 'x');
    expect(await complete(session, 1)).toBeNull();
    expect(reportsOf(session)).toMatchObject([{ noCompletionReason: 'noMembers', text: '' }]);
  });

  test('a document that is not open gets nothing', async () => {
    const session = await startSession([toyMember('one', 'foo')], 'x');
    await session.client.sendNotification('textDocument/didClose', { textDocument: { uri } });
    expect(await complete(session, 0)).toBeNull();
    expect(session.library.at(-1)).toBe(`close ${uri}`);
  });
});

describe('parameters that are wrong are refused with the place', () => {
  const check = async (method: string, params: object, place: RegExp) => {
    const session = await startSession([toyMember('one', 'foo')], 'x');
    const error = await session.client.sendRequest(method, params).catch((error: unknown) => error);
    expect(error).toMatchObject({ code: ErrorCodes.InvalidParams, message: expect.stringMatching(place) });
    expect(await complete(session, 1)).toMatchObject([{ insertText: 'foo' }]);
  };
  const textDocument = { uri };
  const position = { line: 0, character: 1 };

  test('no document', () => check('textDocument/inlineCompletion', {}, /textDocument: .*position: /));
  test('a negative line', () =>
    check(
      'textDocument/inlineCompletion',
      { textDocument, position: { line: -1, character: 0 }, context: { triggerKind: 2 } },
      /position\.line: /,
    ));
  test('no context', () => check('textDocument/inlineCompletion', { textDocument, position }, /context: /));
  test('a command without a name', () => check('workspace/executeCommand', {}, /command: /));
});

describe('folders of the workspace', () => {
  const change = {
    event: { added: [{ uri: 'file:///b', name: 'b' }], removed: [{ uri: 'file:///folder', name: 'folder' }] },
  };
  test.each([
    ['are followed where the editor can tell of changes', { workspace: { workspaceFolders: true } }, true],
    ['are as they were where it cannot, and nothing is said of it', {}, false],
  ])('%s', async (_, capabilities, isFollowed) => {
    const session = await startSession([], 'x', {}, capabilities);
    await session.client.sendNotification('workspace/didChangeWorkspaceFolders', change);
    await session.client.sendRequest('consort/status');
    expect(session.library.includes('folders +file:///b -file:///folder')).toBe(isFollowed);
    expect(session.received.filter(({ method }) => method === 'window/logMessage')).toEqual([]);
  });
});

describe('settings', () => {
  test('an invalid one is named in a warning, once', async () => {
    const session = await startSession([toyMember('one', 'foo')], 'x', { combiner: 'sum' });
    const change = { settings: { consort: { combiner: 'sum' } } };
    await session.client.sendNotification('workspace/didChangeConfiguration', change);
    await complete(session, 1);
    const warnings = session.received.filter(({ method }) => method === 'window/showMessage');
    expect(warnings).toMatchObject([{ params: { message: expect.stringContaining('consort.combiner') } }]);
  });

  test('a policy that cannot be used is told in a warning, once', async () => {
    const settings = { policyPath: '/nowhere/policy.json' };
    const session = await startSession([toyMember('one', 'foo')], 'x', settings);
    const change = { settings: { consort: { ...settings, combiner: 'sum' } } };
    await session.client.sendNotification('workspace/didChangeConfiguration', change);
    await complete(session, 1);
    const warnings = session.received.filter(({ method }) => method === 'window/showMessage');
    expect(warnings).toMatchObject([
      { params: { type: 2, message: expect.stringMatching(/\/nowhere\/policy\.json cannot be read/) } },
      { params: { message: expect.stringContaining('consort.combiner') } },
    ]);
  });

  test('a member to leave out that is none is named in the log, once', async () => {
    const settings = { policy: 'hedge', disabledMembers: ['nobody', 'one'] };
    const session = await startSession([toyMember('one', 'foo')], 'x', settings);
    const change = { settings: { consort: { ...settings, minimumConfidence: 0.2 } } };
    await session.client.sendNotification('workspace/didChangeConfiguration', change);
    await session.client.sendRequest('consort/status');
    expect(session.log.filter((line) => line.startsWith('warn'))).toEqual([
      'warn: consort.disabledMembers names what is no member: nobody. Members: one.',
    ]);
  });

  test('take effect when they change', async () => {
    const session = await startSession([toyMember('one', 'foo')], 'x');
    const change = { settings: { consort: { enable: false } } };
    await session.client.sendNotification('workspace/didChangeConfiguration', change);
    expect(await complete(session, 1)).toBeNull();
    expect(reportsOf(session)).toMatchObject([{ noCompletionReason: 'disabled' }]);
    expect(lastOf(session, 'didChangeStatus')).toMatchObject({ kind: 'Inactive', busy: false });
  });

  test('those of other programs change nothing', async () => {
    const session = await startSession([toyMember('one', 'foo')], 'x');
    await session.client.sendNotification('workspace/didChangeConfiguration', { settings: null });
    expect(await complete(session, 1)).toMatchObject([{ insertText: 'foo' }]);
  });
});

describe('status', () => {
  test('names the members and what is wrong with them', async () => {
    const broken = toyMember('broken', '', { startError: new Error('weights are missing') });
    const session = await startSession([broken, toyMember('one', 'foo')], 'x');
    await complete(session, 1);
    const status = await session.client.sendRequest('consort/status');
    expect(status).toMatchObject({
      members: [
        {
          id: 'broken',
          state: 'failed',
          message: expect.stringMatching(/^weights are missing\. Restart/),
          latencyMs: null,
        },
        { id: 'one', state: 'ready', latencyMs: { p50: expect.any(Number) } },
      ],
      policy: { name: 'hedge' },
    });
    expect(lastOf(session, 'consort/didChangeEnsemble')).toEqual(status);
    expect(lastOf(session, 'didChangeStatus')).toMatchObject({
      kind: 'Warning',
      message: expect.stringContaining('weights are missing'),
    });
  });
});

describe('what is on disk', () => {
  test('is erased when the editor asks', async () => {
    const session = await startSession([], 'x');
    const answer = await session.client.sendRequest('consort/erase');
    expect(answer).toEqual({ erased: [{ kind: 'index', bytes: 7 }], problems: [] });
  });

  const watchedFiles = { workspace: { didChangeWatchedFiles: { dynamicRegistration: true } } };
  test.each([
    ['is followed where the editor can tell of changes', watchedFiles, ['workspace/didChangeWatchedFiles']],
    ['is not asked for where the editor cannot', {}, []],
  ])('%s', async (_, capabilities, expected) => {
    const session = await startSession([], 'x', {}, capabilities);
    const changes = [{ uri: 'file:///folder/b.ts', type: 2 }];
    await session.client.sendNotification('workspace/didChangeWatchedFiles', { changes });
    await session.client.sendRequest('consort/status');
    expect(session.library.at(-1)).toBe('changed file:///folder/b.ts');
    const registrations = session.received
      .filter(({ method }) => method === 'client/registerCapability')
      .flatMap(({ params }) => (params as { registrations: { method: string }[] }).registrations);
    expect(registrations.map(({ method }) => method)).toEqual(expect.arrayContaining(expected));
    expect(registrations.some(({ method }) => method === 'workspace/didChangeWatchedFiles')).toBe(
      expected.length > 0,
    );
  });
});

describe('outcomes', () => {
  test('are understood, and nonsense is refused without harm', async () => {
    const session = await startSession([toyMember('one', 'foo')], 'x');
    const item = { insertText: 'foo', command: { title: '', command: acceptCommand, arguments: ['id'] } };
    const { client, log } = session;
    await client.sendNotification('textDocument/didShowCompletion', { item });
    await client.sendNotification('textDocument/didPartiallyAcceptCompletion', { item, acceptedLength: 2 });
    await client.sendNotification('consort/didDiscardCompletion', { item, how: 'rejected' });
    await client.sendRequest('workspace/executeCommand', { command: acceptCommand, arguments: ['id'] });
    expect(log.filter((line) => line.startsWith('warn'))).toEqual([]);
    await client.sendNotification('textDocument/didPartiallyAcceptCompletion', { item, acceptedLength: -1 });
    await client.sendNotification('consort/didDiscardCompletion', { item: {}, how: 'eaten' });
    await client.sendRequest('workspace/executeCommand', { command: acceptCommand });
    expect(log.filter((line) => line.startsWith('warn'))).toHaveLength(3);
    await client.sendRequest('shutdown');
    expect(log).toContain(
      'info: Completions: 1 shown, 1 accepted, 1 partly accepted, 1 rejected, 0 ignored, 0 censored.',
    );
  });
});

test('whoever ends the server waits until all work has ended, though another asked before', async () => {
  const { close, library } = await startSession([toyMember('one', 'foo')], 'x');
  void close();
  await close();
  expect(library.at(-1)).toBe('closed');
});

test('no log line carries source text', async () => {
  const session = await startSession([toyMember('one', 'secretName()')], 'topSecret = ', {
    log: { level: 'debug' },
  });
  await complete(session, 12);
  expect(session.log.length).toBeGreaterThan(0);
  expect(session.log.join('\n')).not.toMatch(/secret/i);
});
