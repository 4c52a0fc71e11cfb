import { describe, expect, test } from 'vitest';
import { Library, type LibraryFile } from '../../src/server/library.ts';

interface Told {
  readonly id: string;
  readonly text: string;
  readonly scope: string;
}

/** A library over these files (uri → text), with a reader that has room for `room` documents. */
function start(files: Record<string, string>, { room = 100 } = {}) {
  const calls: string[] = [];
  let isReading = true;
  const library = new Library({
    isReadable: ({ text }) => !text.includes('unreadable'),
    async *files(signal): AsyncGenerator<LibraryFile> {
      for (const [uri, text] of Object.entries(files)) {
        if (signal.aborted) return;
        yield { uri, text: new TextEncoder().encode(text) };
      }
    },
    whenIdle: async () => {},
    onChange: () => {},
  });
  const known = new Set<string>();
  const reader = {
    async call(name: string, argument: unknown) {
      if (!isReading) throw new Error('gone');
      if (name === 'setDocument') {
        const { id, text, scope } = argument as Told;
        const content = typeof text === 'string' ? text : new TextDecoder().decode(text);
        const hasRoom = scope === 'open' || known.size < room;
        if (hasRoom) known.add(id);
        calls.push(`${scope} ${id} ${content}${hasRoom ? '' : ' refused'}`);
        return { hasRoom, files: known.size, bytes: 0, memoryBytes: 1 };
      }
      known.delete(String(argument));
      calls.push(`remove ${argument}`);
      return { hasRoom: true, files: known.size, bytes: 0, memoryBytes: 1 };
    },
  };
  const stopReading = () => {
    isReading = false;
  };
  return { library, reader, calls, stopReading };
}

describe('the library tells its reader', () => {
  test('the open documents, then the files that are not open', async () => {
    const { library, reader, calls } = start({ a: 'old a', b: 'b' });
    library.setDocument({ uri: 'a', text: 'new a' });
    library.attach(reader);
    await library.indexed();
    expect(calls).toEqual(['open a new a', 'workspace b b']);
    expect(library.status()).toEqual({ state: 'idle', files: 2, bytes: 0 });
  });

  test('every change, and what stays after a document is closed', async () => {
    const { library, reader, calls } = start({ a: '1' });
    library.attach(reader);
    await library.indexed();
    for (const uri of ['a', 'untitled']) library.setDocument({ uri, text: '2' });
    for (const uri of ['a', 'untitled', 'never opened']) library.closeDocument(uri);
    expect(calls).toEqual([
      'workspace a 1',
      'open a 2',
      'open untitled 2',
      'workspace a 2',
      'remove untitled',
    ]);
  });

  test('nothing of a document that may not be read, once it may not', async () => {
    const { library, reader, calls } = start({});
    library.attach(reader);
    library.setDocument({ uri: 'a', text: 'unreadable' });
    library.setDocument({ uri: 'a', text: 'plain' });
    library.setDocument({ uri: 'a', text: 'unreadable' });
    await library.indexed();
    expect(calls).toEqual(['open a plain', 'remove a']);
  });

  test('to forget a document that may not be read, once a completion has shown it', async () => {
    const { library, reader, calls } = start({});
    library.attach(reader);
    library.setDocument({ uri: 'a', text: '1' });
    library.setDocument({ uri: 'b', text: 'unreadable' });
    for (const uri of ['a', 'b']) library.restore(uri);
    await library.indexed();
    expect(calls).toEqual(['open a 1', 'remove b']);
  });

  test('a preview and the text that is there after it', async () => {
    const { library, reader, calls } = start({});
    library.attach(reader);
    library.setDocument({ uri: 'a', text: '1' });
    library.preview({ uri: 'a', text: 'preview' });
    library.setDocument({ uri: 'a', text: '2' });
    library.restore('a');
    library.preview({ uri: 'not open', text: 'preview' });
    library.restore('not open');
    await library.indexed();
    expect(calls).toEqual(['open a 1', 'open a preview', 'open a 2', 'open a 2', 'remove not open']);
  });

  test('hardly more files where there is no room', async () => {
    const files = Object.fromEntries([...'abcdefgh'].map((uri) => [uri, 'x'.repeat(70_000)]));
    const { library, reader, calls } = start(files, { room: 2 });
    library.attach(reader);
    await library.indexed();
    const refused = calls.filter((call) => call.endsWith('refused'));
    expect(calls).toHaveLength(2 + refused.length);
    expect(refused.length).toBeLessThan(4);
  });

  test('what it must still forget where there is no room', async () => {
    const files: Record<string, string> = { a: '1', b: '2' };
    const { library, reader, calls } = start(files, { room: 2 });
    library.attach(reader);
    await library.indexed();
    calls.length = 0;
    Object.assign(files, { c: '3', a: '4' });
    delete files.b;
    library.reindex();
    await library.indexed();
    expect(calls.at(-1)).toBe('remove b');
    expect(library.status().files).toBe(1);
  });

  test('again from the beginning when another reader takes its place', async () => {
    const { library, reader, calls, stopReading } = start({ a: '1' });
    library.setDocument({ uri: 'b', text: '2' });
    library.attach(reader);
    stopReading();
    await library.indexed();
    library.setDocument({ uri: 'b', text: '3' });
    const next = start({});
    library.attach(next.reader);
    await library.indexed();
    expect(calls).toEqual(['open b 2']);
    expect(next.calls).toEqual(['open b 3', 'workspace a 1']);
  });

  test('which files are gone when it reads the workspace again', async () => {
    const files: Record<string, string> = { a: '1', b: '2' };
    const { library, reader, calls } = start(files);
    library.attach(reader);
    await library.indexed();
    delete files.a;
    library.reindex();
    await library.indexed();
    expect(calls).toEqual(['workspace a 1', 'workspace b 2', 'workspace b 2', 'remove a']);
  });
});
