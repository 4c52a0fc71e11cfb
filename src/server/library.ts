import * as z from 'zod';
import type { EnsembleStatus } from '../protocol/messages.ts';

export interface LibraryDocument {
  readonly uri: string;
  readonly text: string;
}

export interface LibraryFile {
  readonly uri: string;
  readonly text: Uint8Array;
}

/** Who reads the texts: the stand-in of the n-gram in its worker. */
export interface Reader {
  call(name: 'setDocument' | 'removeDocument', argument: unknown, transfer?: ArrayBuffer[]): Promise<unknown>;
}

export interface LibraryOptions {
  /** Whether an open document may be read: not too large, text, and nothing secret. */
  readonly isReadable: (document: LibraryDocument) => boolean;
  /** The files of the workspace that may be read. */
  readonly files: (signal: AbortSignal) => AsyncIterable<LibraryFile>;
  /** Waits while something more urgent is under way. */
  readonly whenIdle: () => Promise<unknown>;
  readonly onChange: () => void;
}

/**
 * What the workspace member reads: the open documents as they are edited, and the workspace's files as long as
 * there is room. It survives its reader: a new one is told everything again.
 */
export class Library {
  readonly #options: LibraryOptions;
  readonly #documents = new Map<string, string>();
  /** The files that have been read; those of them that are open count as open documents meanwhile. */
  readonly #files = new Set<string>();
  readonly #previewed = new Set<string>();
  #reader: Reader | undefined;
  #indexing = new AbortController();
  #indexed: Promise<void> = Promise.resolve();
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

  /** From now on this reader is told everything, from the beginning. */
  attach(reader: Reader): void {
    this.#reader = reader;
    this.#files.clear();
    for (const [uri, text] of this.#documents) this.#tell({ id: uri, text, scope: 'open' });
    this.reindex();
  }

  /** Reads the workspace's files, again if that was done before. */
  reindex(): void {
    this.#indexing.abort();
    const controller = new AbortController();
    this.#indexing = controller;
    this.#isIndexing = true;
    this.#stats = { ...this.#stats, hasRoom: true };
    this.#indexed = this.#indexed
      .then(() => this.#index(controller.signal))
      .catch(() => undefined)
      .then(() => {
        if (controller.signal.aborted) return;
        this.#isIndexing = false;
        this.#options.onChange();
      });
  }

  /** Settles when the workspace has been read. */
  async indexed(): Promise<void> {
    while (this.#isIndexing) await this.#indexed;
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
    if (this.#files.has(uri)) this.#tell({ id: uri, text, scope: 'workspace' });
    else this.#forget(uri);
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

  close(): void {
    this.#indexing.abort();
    this.#isIndexing = false;
    this.#reader = undefined;
  }

  async #index(signal: AbortSignal): Promise<void> {
    if (this.#reader === undefined) return;
    const gone = new Set(this.#files);
    let toldAt = performance.now();
    for await (const { uri, text } of this.#options.files(signal)) {
      await this.#options.whenIdle();
      if (signal.aborted || !this.#stats.hasRoom) break;
      gone.delete(uri);
      this.#files.add(uri);
      if (!this.#documents.has(uri)) await this.#tell({ id: uri, text, scope: 'workspace' });
      if (performance.now() - toldAt < tellEveryMs) continue;
      toldAt = performance.now();
      this.#options.onChange();
    }
    if (signal.aborted) return;
    for (const uri of gone) {
      this.#files.delete(uri);
      if (!this.#documents.has(uri)) await this.#forget(uri);
    }
  }

  #tell(document: { id: string; text: string | Uint8Array; scope: 'open' | 'workspace' }): Promise<void> {
    return this.#ask('setDocument', document);
  }

  #forget(uri: string): Promise<void> {
    return this.#ask('removeDocument', uri);
  }

  /** A reader that does not answer is replaced by a new one, which is told everything again. */
  async #ask(name: 'setDocument' | 'removeDocument', argument: unknown): Promise<void> {
    try {
      const answer = await this.#reader?.call(name, argument);
      if (answer !== undefined) this.#stats = statsSchema.parse(answer);
    } catch {
      return;
    }
  }
}

/** How often progress is told. */
const tellEveryMs = 250;

const statsSchema = z.object({
  hasRoom: z.boolean(),
  files: z.number(),
  bytes: z.number(),
  memoryBytes: z.number(),
});
type Stats = z.infer<typeof statsSchema>;
