import { crc32 } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { NgramIndex, type Scope } from '../../src/lm/ngram/ngramIndex.ts';
import { NgramMember } from '../../src/lm/ngram/ngramMember.ts';
import { END, SYMBOLS } from '../../src/lm/symbols.ts';
import { type NaiveDocument, naiveDistribution } from '../support/naiveNgram.ts';
import { seededRandom } from '../support/toyDecoder.ts';

const encoder = new TextEncoder();
const { signal } = new AbortController();
const latin1 = (text: string) => new Uint8Array(Buffer.from(text, 'latin1'));

function indexOf(documents: Record<string, readonly [Scope, string]> = {}, maximumBytes = 1e8): NgramIndex {
  const index = new NgramIndex({ maximumBytes });
  for (const [id, [scope, text]] of Object.entries(documents)) index.setDocument(id, latin1(text), scope);
  return index;
}

async function open(
  index: NgramIndex,
  id: string,
  prefix: string | Uint8Array,
  suffix = '',
  member = new NgramMember('ngram', index),
) {
  const bytes = typeof prefix === 'string' ? latin1(prefix) : prefix;
  return member.open({ documentId: id, languageId: '', prefix: bytes, suffix: latin1(suffix) }, signal);
}

function expectDistribution(p: Float64Array): void {
  expect(p).toHaveLength(SYMBOLS);
  expect(p.reduce((sum, value) => sum + value, 0)).toBeCloseTo(1, 9);
  expect(Math.min(...p)).toBeGreaterThanOrEqual(1e-7);
  expect(p[END]).toBeLessThan(1e-5);
}

function expectSame(actual: Float64Array, expected: Float64Array, tolerance = 1e-9): void {
  for (let symbol = 0; symbol < SYMBOLS; symbol++) {
    if (Math.abs(actual[symbol] - expected[symbol]) > tolerance) {
      expect(`${symbol}: ${actual[symbol]}`).toBe(`${symbol}: ${expected[symbol]}`);
    }
  }
}

/** Texts of a few words: contexts of all lengths recur, but none more often than matches are kept. */
const words = [
  'foo',
  'bar(',
  'x',
  ' = ',
  'get',
  ');\n',
  'foobar',
  ', ',
  '\xe9',
  '\xff',
  'return ',
  'a.b',
  '[0]',
  '{\n  ',
];
const prose = (nWords: number) =>
  fc.tuple(fc.integer(), fc.nat(nWords)).map(([seed, n]) => {
    const random = seededRandom(seed);
    return Array.from({ length: n }, () => words[Math.floor(random() * words.length)]).join('');
  });

describe('the distribution', () => {
  test('is what counting by definition gives, in all scopes', async () => {
    await fc.assert(
      fc.asyncProperty(
        prose(60),
        fc.array(prose(40), { maxLength: 3 }),
        prose(30),
        prose(6),
        async (own, files, other, next) => {
          const documents: Record<string, [Scope, string]> = { own: ['open', own], other: ['open', other] };
          files.forEach((text, i) => {
            documents[`file${i}`] = ['workspace', text];
          });
          const index = indexOf(documents);
          const stream = await open(index, 'own', own);
          const all: NaiveDocument[] = [
            { text: own, weight: 8 },
            { text: other, weight: 2 },
            ...files.map((text) => ({ text, weight: 1 })),
          ];
          let context = own;
          expectSame(stream.distribution, naiveDistribution(context, own, all, index.interpolation));
          for (const byte of latin1(next)) {
            stream.advance(byte);
            context += String.fromCharCode(byte);
            expectDistribution(stream.distribution);
            expectSame(stream.distribution, naiveDistribution(context, own, all, index.interpolation));
          }
        },
      ),
      { seed: 3, numRuns: 60 },
    );
  });

  test('does not depend on where reading began', async () => {
    const random = seededRandom(5);
    const text = Array.from({ length: 500 }, () => words[Math.floor(random() * words.length)]).join('');
    const index = indexOf({ file: ['workspace', text.slice(0, 1200)], own: ['open', text] });
    const { predictor } = index.createReader();
    const whole = latin1(text.slice(700, 1500));
    for (const byte of whole) predictor.advance(byte);
    const atOnce = predictor.predict(-1).slice();
    predictor.reset();
    for (const byte of whole.subarray(-64)) predictor.advance(byte);
    expectSame(predictor.predict(-1), atOnce);
    predictor.refresh();
    expectSame(predictor.predict(-1), atOnce);
  });

  const odd: Record<string, string | Uint8Array> = {
    nothing: '',
    'one byte': 'x',
    'only line ends': '\r\n\r\n\r\n',
    CRLF: 'let a = 1;\r\nlet b = 2;\r\nlet ',
    '0 bytes': 'a\0b\0a\0b\0a\0',
    'multi-byte characters': encoder.encode('日本語🎉日本語🎉日本'),
    'a character cut in two': encoder.encode('日本語').subarray(0, 7),
    'every byte value': Uint8Array.from({ length: 600 }, (_, i) => i % 256),
    'a long run': 'a'.repeat(5000),
  };
  for (const [name, text] of Object.entries(odd)) {
    test(`sums to 1 for ${name}`, async () => {
      const stream = await open(indexOf(), 'untitled:1', text);
      expectDistribution(stream.distribution);
      for (const byte of [0, 10, 13, 97, 195, 255]) {
        stream.advance(byte);
        expectDistribution(stream.distribution);
      }
      expect(stream.recentLogProbabilities).toHaveLength(Math.min(120, text.length));
      expect(stream.recentLogProbabilities.every((score) => score < 0 && Number.isFinite(score))).toBe(true);
    });
  }

  test('leaves out the text that stands after the cursor already', async () => {
    const before = 'const total = items.reduce((sum, item) => sum + item.price';
    const after = 'Z\nsomething else\n';
    const index = indexOf({
      own: ['open', `${before}${after}`],
      file: ['workspace', 'function other() {\n  return Zebra;\n}\n'],
    });
    const stream = await open(index, 'own', before, after);
    const alone = await open(
      indexOf({ own: ['open', before], file: ['workspace', 'function other() {\n  return Zebra;\n}\n'] }),
      'own',
      before,
    );
    expect(stream.distribution[90]).toBeLessThan(0.03);
    expect(stream.distribution[90]).toBeLessThan(3 * alone.distribution[90]);
  });

  test('follows a repeated line of the file and of the workspace', async () => {
    const line = 'if (!this.#isReady) throw new NotReadyError(name);\n';
    for (const documents of [{ own: ['open', line] as const }, { file: ['workspace', line] as const }]) {
      const index = indexOf(documents);
      const start = 'own' in documents ? `${line}  if (!this.#isR` : 'if (!this.#isR';
      const stream = await open(index, 'own', start);
      let text = '';
      while (text.length < 30) {
        const byte = stream.distribution.indexOf(Math.max(...stream.distribution));
        text += String.fromCharCode(byte);
        stream.advance(byte);
      }
      expect(text).toBe('eady) throw new NotReadyError(');
    }
  });
});

describe('an edited index', () => {
  const other = ['workspace', 'foobar(x);\nfoo = bar(get);\n'] as const;
  const edits = fc.array(
    fc.record({ at: fc.double({ min: 0, max: 1, noNaN: true }), removed: fc.nat(700), added: prose(90) }),
    { minLength: 1, maxLength: 12 },
  );

  test('predicts as a fresh one', async () => {
    await fc.assert(
      fc.asyncProperty(
        prose(400),
        edits,
        prose(20),
        fc.array(fc.constantFrom<Scope>('open', 'workspace'), { minLength: 12, maxLength: 12 }),
        async (start, changes, probe, scopes) => {
          const index = indexOf({ other });
          let text = start;
          index.setDocument('a', latin1(text), 'open');
          changes.forEach(({ at, removed, added }, i) => {
            const from = Math.floor(at * text.length);
            text = text.slice(0, from) + added + text.slice(from + removed);
            index.setDocument('a', latin1(text), scopes[i]);
          });
          index.setDocument('a', latin1(text), 'open');
          const fresh = indexOf({ other, a: ['open', text] });
          const streams = await Promise.all(
            [index, fresh].map((each) => open(each, 'b', text.slice(-50) + probe)),
          );
          expectSame(streams[0].distribution, streams[1].distribution);
          expect(index.stats.bytes).toBe(fresh.stats.bytes);
        },
      ),
      { seed: 4, numRuns: 60 },
    );
  });

  test('forgets files, and closes the gaps they leave', async () => {
    const file = (i: number) => seededText(i, 50_000, 12);
    const index = new NgramIndex({ maximumBytes: 1e8 });
    for (let i = 0; i < 30; i++) index.setDocument(`file${i}`, file(i), 'workspace');
    const full = index.stats.bytes;
    for (let i = 0; i < 30; i++) if (i % 10 !== 0) index.removeDocument(`file${i}`);
    const fresh = new NgramIndex({ maximumBytes: 1e8 });
    for (let i = 0; i < 30; i += 10) fresh.setDocument(`file${i}`, file(i), 'workspace');
    expect(full).toBe(30 * 50_000);
    expect(index.stats).toMatchObject({ files: 3, bytes: 3 * 50_000 });
    const prefix = file(20).subarray(1000, 1400);
    const streams = await Promise.all([index, fresh].map((each) => open(each, 'b', prefix)));
    // Contexts that share a hash are miscounted when one goes.
    expectSame(streams[0].distribution, streams[1].distribution, 1e-4);
    expect(Math.max(...streams[0].distribution)).toBe(streams[0].distribution[file(20)[1400]]);
  });

  test('refuses workspace files beyond its limit, and open documents that are too large', () => {
    const index = indexOf({ a: ['workspace', 'x'.repeat(600)] }, 1000);
    expect(index.setDocument('b', latin1('y'.repeat(600)), 'workspace')).toBe(false);
    expect(index.setDocument('a', latin1('y'.repeat(900)), 'workspace')).toBe(true);
    expect(index.setDocument('c', new Uint8Array(5_000_000).fill(65), 'open')).toBe(false);
    expect(index.stats).toMatchObject({ files: 1, bytes: 900 });
  });

  test('reads a cursor in a text too large to be indexed', async () => {
    const index = indexOf();
    const member = new NgramMember('ngram', index);
    const large = seededText(1, 5_000_000);
    const stream = await open(index, 'large', large, '', member);
    expectDistribution(stream.distribution);
    expect(index.stats.bytes).toBeLessThan(200_000);
  });
});

describe('a saved index', () => {
  const files = {
    a: ['workspace', seededString(1, 30_000)],
    b: ['workspace', seededString(2, 30_000)],
  } as const;
  const saved = async () => {
    const index = indexOf(files);
    index.setDocument('a', latin1('return [0];\n'), 'workspace', 1234.5);
    await open(index, 'own', seededString(3, 500));
    return { index, file: Buffer.concat([...index.save()]) };
  };

  test('predicts as before, and goes on', async () => {
    const { index, file } = await saved();
    const loaded = indexOf();
    expect(loaded.load(file)).toBe(true);
    expect([...loaded.files()]).toEqual([...index.files()]);
    expect([...loaded.files()]).toContainEqual({ id: 'a', bytes: 12, modifiedMs: 1234.5 });
    index.removeDocument('own');
    for (const each of [index, loaded]) each.setDocument('c', latin1(seededString(4, 30_000)), 'workspace');
    const streams = await Promise.all([index, loaded].map((each) => open(each, 'own', seededString(2, 400))));
    expectSame(streams[0].distribution, streams[1].distribution);
    expect(loaded.stats.bytes).toBe(index.stats.bytes);
  });

  const damages: Record<string, (file: Buffer) => Buffer> = {
    'it is empty': () => Buffer.alloc(0),
    'it is cut short': (file) => file.subarray(0, -1),
    'it is cut in its header': (file) => file.subarray(0, 40),
    'a byte of it changed': (file) =>
      Buffer.concat([file.subarray(0, -500), Buffer.from('?'), file.subarray(-499)]),
    'a number in its header changed': (file) =>
      Buffer.from(file.toString('latin1').replace('"modifiedMs":1234.5', '"modifiedMs":1234.6'), 'latin1'),
    'it is of another version': (file) =>
      checked(Buffer.from(file.toString('latin1').replace(/n-gram \d/, 'n-gram 0'), 'latin1')),
    'it is something else': () => Buffer.from('PK\x03\x04 something else'),
  };
  /** The file with the checksum that belongs to it. */
  const checked = (file: Buffer) => {
    file.writeUInt32LE(crc32(file.subarray(0, -4)), file.length - 4);
    return file;
  };

  test('has a checksum over all of it', async () => {
    const { file } = await saved();
    expect(checked(Buffer.from(file))).toEqual(file);
  });

  for (const [name, damage] of Object.entries(damages)) {
    test(`is refused where ${name}`, async () => {
      const { file } = await saved();
      const index = indexOf();
      expect(index.load(damage(file))).toBe(false);
      expect(index.stats).toMatchObject({ files: 0, bytes: 0 });
    });
  }

  test('is not whole any more once the workspace has changed', async () => {
    const index = indexOf(files);
    const version = index.workspaceVersion;
    index.setDocument('own', latin1('let a;'), 'open');
    expect(index.workspaceVersion).toBe(version);
    index.setDocument('a', latin1('let b;'), 'workspace');
    expect(index.workspaceVersion).toBeGreaterThan(version);
  });

  test('takes the time of a file that was touched', () => {
    const index = indexOf(files);
    index.setDocument('a', latin1(files.a[1]), 'workspace', 99);
    expect([...index.files()]).toContainEqual({ id: 'a', bytes: 30_000, modifiedMs: 99 });
  });

  test('is refused where it holds more than the limit', async () => {
    expect(indexOf({}, 1000).load((await saved()).file)).toBe(false);
  });
});

describe('a text that the index holds otherwise', () => {
  const prefix = 'let a = 1;\nlet b = 2;\nlet c = ';
  const held: Record<string, readonly [Scope, string] | undefined> = {
    'not at all': undefined,
    'in full': ['open', `${prefix}3;\n`],
    'as it was': ['open', 'let a = 1;\nlet b'],
    'as it will be': ['open', 'let a = 1;\nlet b = 2; let c = 3;\n'],
    'as a file on disk': ['workspace', `${prefix}4;\n`],
    empty: ['open', ''],
  };
  for (const [name, document] of Object.entries(held)) {
    test(name, async () => {
      const index = indexOf(document === undefined ? {} : { own: document });
      const stream = await open(index, 'own', prefix, '3;\n');
      const fresh = await open(indexOf({ own: ['open', prefix] }), 'own', prefix);
      expectDistribution(stream.distribution);
      if (name !== 'in full') expectSame(stream.distribution, fresh.distribution);
      expect(stream.recentLogProbabilities).toHaveLength(prefix.length);
    });
  }

  test('a window of a longer document is found in it', async () => {
    const text = seededText(9, 2e4);
    const index = new NgramIndex({ maximumBytes: 1e8 });
    index.setDocument('own', text, 'open');
    const member = new NgramMember('ngram', index);
    const suffix = Buffer.from(text.subarray(9000, 10_000)).toString('latin1');
    await open(index, 'own', text.subarray(5000, 9000), suffix, member);
    expect(index.stats.bytes).toBe(2e4);
  });

  test('changes while a stream is open', async () => {
    const index = indexOf({ own: ['open', prefix], file: ['workspace', seededString(2, 3000)] });
    const stream = await open(index, 'own', prefix);
    index.setDocument('own', latin1('other text'), 'open');
    stream.advance(51);
    expectDistribution(stream.distribution);
    index.removeDocument('own');
    index.removeDocument('file');
    index.setDocument('file', latin1(seededString(3, 3000)), 'workspace');
    for (const byte of latin1('3;\nlet d = 4;')) {
      stream.advance(byte);
      expectDistribution(stream.distribution);
    }
    stream.release();
  });
});

describe('the scores of the bytes before the cursor', () => {
  test('are those of a text that was never seen', async () => {
    const stretch = Array.from(seededText(8, 120), (byte) => String.fromCharCode(33 + (byte % 90))).join('');
    const index = indexOf({ own: ['open', `start of the file\n${stretch}\nend of the file\n`] });
    const stream = await open(index, 'own', `start of the file\n${stretch}`, '\nend of the file\n');
    const mean = stream.recentLogProbabilities.reduce((sum, score) => sum + score, 0) / 120;
    expect(stream.recentLogProbabilities).toHaveLength(120);
    expect(mean).toBeLessThan(-Math.log(60));
  });

  test('are the same whether the text is typed or there at once, and each byte is learned from once', async () => {
    const text = seededString(6, 700);
    const files = { file: ['workspace', seededString(7, 3000)] } as const;
    const [typed, atOnce] = [indexOf(files), indexOf(files)];
    const member = new NgramMember('ngram', typed);
    await open(typed, 'own', text.slice(0, 580), '', member);
    await open(atOnce, 'own', text.slice(0, 580), '', new NgramMember('ngram', atOnce));
    let scores: Float64Array = new Float64Array(0);
    for (let end = 581; end <= 700; end++) {
      typed.setDocument('own', latin1(text.slice(0, end)), 'open');
      scores = (await open(typed, 'own', text.slice(0, end), '', member)).recentLogProbabilities;
    }
    typed.setDocument('own', latin1(text), 'open');
    atOnce.setDocument('own', latin1(text), 'open');
    const other = new NgramMember('ngram', atOnce);
    const stream = await open(atOnce, 'own', text, '', other);
    expect(
      Math.max(...stream.recentLogProbabilities.map((score, i) => Math.abs(score - scores[i]))),
    ).toBeLessThan(0.1);
    const learned = Float64Array.from(atOnce.interpolation.reached);
    await open(atOnce, 'own', text, '', other);
    await open(atOnce, 'own', text.slice(0, -5), text.slice(-5), other);
    expect(atOnce.interpolation.reached).toEqual(learned);
  });
});

/** Words of a small vocabulary. */
function seededString(seed: number, length: number): string {
  const random = seededRandom(seed);
  let text = '';
  while (text.length < length) text += words[Math.floor(random() * words.length)];
  return text.slice(0, length);
}

/** Random bytes, each of this many values. */
function seededText(seed: number, length: number, nValues = 255): Uint8Array {
  const random = seededRandom(seed);
  return Uint8Array.from({ length }, () => 1 + Math.floor(random() * nValues));
}
