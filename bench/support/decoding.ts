import { pathToFileURL } from 'node:url';
import { defaultSettings, type Settings } from '../../src/config/settings.ts';
import { type Completion, complete } from '../../src/decoding/complete.ts';
import type { DecodeOptions } from '../../src/decoding/decode.ts';
import { Hedge } from '../../src/policy/hedge.ts';
import { Library, type LibraryFile } from '../../src/server/library.ts';
import { MemberHost } from '../../src/server/memberHost.ts';
import { neuralSources, ngramSource } from '../../src/server/sources.ts';
import { buildContext } from '../../src/server/textContext.ts';
import { workspaceFiles } from '../../src/server/workspaceFiles.ts';
import type { Corpus, Cursor } from './corpus.ts';
import { keystrokesAgo } from './ensemble.ts';
import { clock, passesSince } from './forwardPasses.ts';
import { type Timeline, timelineOf } from './timeline.ts';

/** A whole line written at a cursor, and what happened from the end of the prefill to the end of the line. */
export interface DecodedLine {
  readonly completion: Completion;
  readonly bytes: number;
  readonly timeline: Timeline;
}

/** What a case sets itself; the rest is as the product has it. */
export interface DecoderChoice {
  /** Folder of the members; the bundled ones where it is left out. */
  readonly modelsPath?: string | undefined;
  /** Null for no drafts; the product's own where it is left out. */
  readonly drafting?: DecodeOptions['drafting'];
}

const settings: Settings = { ...defaultSettings, languages: { '*': true } };
const deadlineMs = 120_000;
const maximumBytes = 200;

/** The product's members in their threads, and its decode loop, without the engine around them. */
export class LineDecoder {
  readonly #hosts: readonly MemberHost[];
  readonly #library: Library;
  readonly #choice: DecoderChoice;

  constructor(hosts: readonly MemberHost[], library: Library, choice: DecoderChoice) {
    this.#hosts = hosts;
    this.#library = library;
    this.#choice = choice;
  }

  /** Settles when every member runs and the corpus has been read as their workspace. */
  static async open(corpus: Corpus, choice: DecoderChoice = {}): Promise<LineDecoder> {
    const onChange = () => undefined;
    const library = new Library({
      isReadable: () => true,
      files: (signal) => filesOf(corpus, signal),
      whenIdle: () => Promise.resolve(),
      onChange,
    });
    const found = neuralSources(settings, { modelsPath: choice.modelsPath, trusted: true });
    const hosts = [...found, ngramSource(settings, library)].map(
      (source) => new MemberHost(source, { deadlineMs, onChange }),
    );
    const decoder = new LineDecoder(hosts, library, choice);
    await Promise.all(hosts.map((host) => host.enable()));
    await library.indexed();
    const failed = hosts.map((host) => host.status()).filter(({ state }) => state !== 'ready');
    if (failed.length === 0) return decoder;
    await decoder.close();
    throw new Error(failed.map(({ id, state, message }) => `${id} is ${message ?? state}`).join('; '));
  }

  /** Everything but the last keystroke has been read before; nothing of the line has been written before. */
  async decode(cursor: Cursor): Promise<DecodedLine> {
    const { signal } = new AbortController();
    for (const stream of await this.#read(keystrokesAgo(cursor, 1), signal)) stream.release();
    const streams = await this.#read(cursor, signal);
    const start = clock();
    try {
      const completion = await complete({
        context: buildContext(cursor),
        streams,
        members: streams.map(({ host }) => host.source),
        policy: new Hedge(streams.length),
        combiner: settings.combiner,
        maximumBytes,
        minimumProbability: 0,
        signal,
        ...(this.#choice.drafting === undefined ? {} : { drafting: this.#choice.drafting }),
      });
      const end = clock();
      const bytes = Buffer.byteLength(completion.text);
      return { completion, bytes, timeline: timelineOf(passesSince(start), start, end) };
    } finally {
      for (const stream of streams) stream.release();
    }
  }

  async close(): Promise<void> {
    this.#library.close();
    await Promise.all(this.#hosts.map((host) => host.disable()));
  }

  #read(cursor: Cursor, signal: AbortSignal) {
    this.#library.setDocument(cursor);
    const context = buildContext(cursor);
    const hosts = this.#hosts.filter((host) => host.takesPart(cursor.languageId));
    return Promise.all(hosts.map((host) => host.open(context, signal)));
  }
}

async function* filesOf({ folder }: Corpus, signal: AbortSignal): AsyncGenerator<LibraryFile> {
  const maximumFileBytes = settings.maximumFileKilobytes * 1000;
  const onUnreadable = () => undefined;
  for await (const { path, bytes } of workspaceFiles(folder, { maximumFileBytes, signal, onUnreadable })) {
    yield { uri: pathToFileURL(path).href, text: bytes };
  }
}
