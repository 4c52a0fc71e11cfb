import type * as z from 'zod';
import type { EnsembleStatus } from '../protocol/messages.ts';
import { type IndexHolder, type IndexStore, type Restored, statsSchema } from './indexStore.ts';

export interface LibraryDocument {
  readonly uri: string;
  readonly text: string;
}

/** A file as its folder lists it. */
export interface ListedFile {
  readonly uri: string;
  readonly bytes: number;
  readonly modifiedMs: number;
}

export interface LibraryFile {
  readonly uri: string;
  /** Undefined where the file is there and its text is not wanted. */
  readonly text: Uint8Array | undefined;
  /** When it was changed last; it is read again and again where that is not known. */
  readonly modifiedMs?: number;
}

/** Who reads the texts: the stand-in of the n-gram in its worker. */
export interface Reader extends IndexHolder {
  call(
    name: 'setDocument' | 'removeDocument' | 'restore' | 'save' | 'erase',
    argument: unknown,
    transfer?: ArrayBuffer[],
  ): Promise<unknown>;
}

export interface LibraryOptions {
  /** Whether an open document may be read: not too large, text, and nothing secret. */
  readonly isReadable: (document: LibraryDocument) => boolean;
  /** The files of the workspace that may be read, with the texts of those that are wanted. */
  readonly files: (
    signal: AbortSignal,
    isWanted: (file: ListedFile) => boolean,
  ) => AsyncIterable<LibraryFile>;
  /** What there is under a name now; undefined where it is gone or may not be read. */
  readonly look?: (uri: string) => Promise<LibraryFile | 'folder' | undefined>;
  /** Waits while something more urgent is under way. */
  readonly whenIdle: () => Promise<unknown>;
  readonly onChange: () => void;
  /** Keeps what has been read for the next session. */
  readonly store?: IndexStore;
}

/**
 * What the workspace member reads: the open documents as they are edited, and the workspace's files as long as
 * there is room. It survives its reader: a new one is told everything again, except for what it had kept on disk.
 */
export class Library {
  readonly #options: LibraryOptions;
  readonly #documents = new Map<string, string>();
  /**
   * The files that have been read, as they were then; undefined where they have to be read again. Those of them that
   * are open count as open documents meanwhile.
   */
  readonly #files = new Map<string, Omit<ListedFile, 'uri'> | undefined>();
  readonly #previewed = new Set<string>();
  /** What is closed before it is known which files the reader has kept. */
  #closed: Set<string> | undefined;
  readonly #changed = new Set<string>();
  #followTimer: NodeJS.Timeout | undefined;
  #reader: Reader | undefined;
  #indexing = new AbortController();
  /** Reading happens in turns; this settles after the last one asked for. */
  #turn: Promise<void> = Promise.resolve();
  #isIndexing = false;
  #stats: Stats = { hasRoom: true, files: 0, bytes: 0, memoryBytes: 0 };

  constructor(options: LibraryOptions) {
    this.#options = options;
  }

  get memoryBytes(): number {
    return this.#stats.memoryBytes;
  }

  status(): EnsembleStatus['index'] {
    const { files, bytes } = this.#stats;
    return { state: this.#isIndexing ? 'indexing' : 'idle', files, bytes };
  }

  /**
   * From now on this reader is told everything that it has not kept from an earlier session. Settles when it has taken
   * that back; never rejects.
   */
  attach(reader: Reader): Promise<void> {
    this.#reader = reader;
    this.#files.clear();
    this.#closed = new Set();
    const restored = this.#options.store?.attach(reader).then((kept) => {
      if (reader === this.#reader) this.#takeBack(kept);
    });
    for (const [uri, text] of this.#documents) this.#tell({ id: uri, text, scope: 'open' });
    this.#reindexAfter(restored);
    return restored ?? Promise.resolve();
  }

  /** Reads the workspace's files, again if that was done before. */
  reindex(): void {
    this.#reindexAfter(undefined);
  }

  /** Something happened to these files on disk. They are looked at soon. */
  filesChanged(uris: Iterable<string>): void {
    if (this.#options.look === undefined) return;
    for (const uri of uris) this.#changed.add(uri);
    this.#followTimer ??= setTimeout(() => {
      this.#followTimer = undefined;
      this.#inTurn(() => this.#follow());
    }, followAfterMs).unref();
  }

  /** Whether files have changed on disk that have not been looked at yet. */
  get isBehind(): boolean {
    return this.#followTimer !== undefined;
  }

  /** Settles when the workspace has been read. */
  async indexed(): Promise<void> {
    for (let turn: unknown; turn !== this.#turn; ) {
      turn = this.#turn;
      await turn;
    }
  }

  setDocument(document: LibraryDocument): void {
    const { uri, text } = document;
    if (!this.#options.isReadable(document)) {
      this.closeDocument(uri);
      return;
    }
    this.#documents.set(uri, text);
    this.#tell({ id: uri, text, scope: 'open' });
  }

  closeDocument(uri: string): void {
    const text = this.#documents.get(uri);
    if (text === undefined) return;
    this.#documents.delete(uri);
    this.#closed?.add(uri);
    if (!this.#files.has(uri)) {
      this.#forget(uri);
      return;
    }
    // It may have been closed unsaved.
    this.#files.set(uri, undefined);
    this.#tell({ id: uri, text, scope: 'workspace' });
    this.filesChanged([uri]);
  }

  /** Lets the reader see a document with another text until `restore`. */
  preview({ uri, text }: LibraryDocument): void {
    if (!this.#documents.has(uri)) return;
    this.#previewed.add(uri);
    this.#tell({ id: uri, text, scope: 'open' });
  }

  /**
   * After a completion: ends a preview. The reader has also seen the text at the cursor; where the document may
   * not be read, it forgets that.
   */
  restore(uri: string): void {
    const text = this.#documents.get(uri);
    const wasPreviewed = this.#previewed.delete(uri);
    if (text === undefined) {
      if (!this.#files.has(uri)) this.#forget(uri);
    } else if (wasPreviewed) this.#tell({ id: uri, text, scope: 'open' });
  }

  /** Ends all reading; what has been read is kept if that takes no time. */
  async close(): Promise<void> {
    clearTimeout(this.#followTimer);
    this.#indexing.abort();
    this.#isIndexing = false;
    if (this.#stats.bytes <= keptAtCloseBytes) await this.#options.store?.save();
    this.#reader = undefined;
  }

  #reindexAfter(restored: Promise<void> | undefined): void {
    this.#indexing.abort();
    const controller = new AbortController();
    this.#indexing = controller;
    this.#isIndexing = true;
    this.#inTurn(async () => {
      await restored;
      await this.#index(controller.signal).catch(() => undefined);
      if (controller.signal.aborted) return;
      this.#isIndexing = false;
      this.#options.onChange();
      this.#save(1);
    });
  }

  #inTurn(read: () => Promise<void>): void {
    this.#turn = this.#turn.then(read).catch(() => undefined);
  }

  #takeBack(kept: Restored | undefined): void {
    const { ids, bytes, modifiedMs } = kept?.restored ?? { ids: [], bytes: [], modifiedMs: [] };
    for (const [i, id] of ids.entries()) {
      if (!this.#closed?.has(id)) this.#files.set(id, { bytes: bytes[i], modifiedMs: modifiedMs[i] });
    }
    this.#closed = undefined;
    this.#stats = kept ?? this.#stats;
  }

  async #index(signal: AbortSignal): Promise<void> {
    if (this.#reader === undefined) return;
    const gone = new Set(this.#files.keys());
    let hasRoom = true;
    const isWanted = (file: ListedFile) => (hasRoom || this.#files.has(file.uri)) && !this.#isKnown(file);
    /** One batch is being read while the next one is sent. */
    let sent: Promise<boolean>[] = [];
    let sentBytes = 0;
    let reading = Promise.resolve();
    const nextBatch = async () => {
      await reading;
      reading = Promise.all(sent).then((haveRoom) => {
        hasRoom &&= !haveRoom.includes(false);
      });
      sent = [];
      sentBytes = 0;
    };
    let toldAt = performance.now();
    for await (const file of this.#options.files(signal, isWanted)) {
      if (file.text !== undefined) {
        await this.#options.whenIdle();
        if (signal.aborted) return;
        sent.push(this.#read(file.uri, file.text, file.modifiedMs));
        sentBytes += file.text.length + perFileBytes;
        if (sentBytes > batchBytes) await nextBatch();
      }
      gone.delete(file.uri);
      if (!hasRoom && gone.size === 0) break;
      if (performance.now() - toldAt < tellEveryMs) continue;
      toldAt = performance.now();
      this.#options.onChange();
    }
    await nextBatch();
    await reading;
    if (signal.aborted) return;
    for (const uri of gone) await this.#drop(uri);
  }

  /** Looks at the files that changed; at the whole workspace where they are many or the rules themselves changed. */
  async #follow(): Promise<void> {
    const uris = [...this.#changed];
    this.#changed.clear();
    const { look, whenIdle } = this.#options;
    if (this.#reader === undefined || look === undefined) return;
    if (uris.length > manyFiles || uris.some((uri) => uri.endsWith('/.gitignore'))) {
      this.reindex();
      return;
    }
    for (const uri of uris) {
      const found = await look(uri);
      await whenIdle();
      if (found === 'folder') {
        this.reindex();
        return;
      }
      if (found?.text === undefined) {
        const gone = [...this.#files.keys()].filter((known) => known === uri || known.startsWith(`${uri}/`));
        for (const known of gone) await this.#drop(known);
      } else await this.#read(uri, found.text, found.modifiedMs);
    }
    this.#options.onChange();
    this.#save(savedAfter);
  }

  #isKnown({ uri, bytes, modifiedMs }: ListedFile): boolean {
    const known = this.#files.get(uri);
    return known !== undefined && known.bytes === bytes && known.modifiedMs === modifiedMs;
  }

  /** False where there is no room for it. */
  async #read(uri: string, text: Uint8Array, modifiedMs: number | undefined): Promise<boolean> {
    this.#files.set(uri, modifiedMs === undefined ? undefined : { bytes: text.length, modifiedMs });
    if (this.#documents.has(uri)) return true;
    this.#options.store?.noteChange();
    const stats = await this.#tell({ id: uri, text, scope: 'workspace', modifiedMs });
    if (stats?.hasRoom !== false) return true;
    this.#files.delete(uri);
    return false;
  }

  async #drop(uri: string): Promise<void> {
    this.#files.delete(uri);
    if (this.#documents.has(uri)) return;
    this.#options.store?.noteChange();
    await this.#forget(uri);
  }

  /** Saves where at least this much has changed and nobody waits for a completion. */
  async #save(nChanges: number): Promise<void> {
    const { store, whenIdle } = this.#options;
    if (store === undefined || store.nUnsaved < nChanges) return;
    await whenIdle();
    await store.save();
  }

  #tell(document: {
    readonly id: string;
    readonly text: string | Uint8Array;
    readonly scope: 'open' | 'workspace';
    readonly modifiedMs?: number | undefined;
  }): Promise<Stats | undefined> {
    return this.#ask('setDocument', document);
  }

  #forget(uri: string): Promise<Stats | undefined> {
    return this.#ask('removeDocument', uri);
  }

  /** A reader that does not answer is replaced by a new one, which is told everything again. */
  async #ask(name: 'setDocument' | 'removeDocument', argument: unknown): Promise<Stats | undefined> {
    try {
      const answer = await this.#reader?.call(name, argument);
      if (answer === undefined) return undefined;
      this.#stats = statsSchema.parse(answer);
      return this.#stats;
    } catch {
      return undefined;
    }
  }
}

/** How often progress is told. */
const tellEveryMs = 250;
/** How long after a change on disk the files are looked at: changes come in bursts. */
const followAfterMs = 300;
/** Text sent to the reader at once: less would leave it waiting, more would keep a completion waiting. */
const batchBytes = 64_000;
/** What a file costs beside its text, as text. */
const perFileBytes = 1000;
/** So many changed files at once cost more than looking at the whole workspace. */
const manyFiles = 64;
/** So many changed files are saved without waiting for the end. */
const savedAfter = 64;
/** So much text is written in a moment, at 3 to 6 bytes for each. */
const keptAtCloseBytes = 20e6;

type Stats = z.infer<typeof statsSchema>;
