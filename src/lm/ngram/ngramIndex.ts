import { LONGEST_COUNTED } from './contextKeys.ts';
import { cursorIn } from './cursorIn.ts';
import { commonPrefix, commonSuffix } from './difference.ts';
import { DocumentReader, type ReadableDocument } from './documentReader.ts';
import { windowOf, withoutZeros } from './indexedText.ts';
import { Interpolation } from './interpolation.ts';
import { LiveText } from './liveText.ts';
import { LowOrders } from './lowOrders.ts';
import { LEVELS, Predictor } from './predictor.ts';
import { decodeSnapshot, encodeSnapshot, type SavedFile } from './snapshot.ts';
import { WorkspaceText } from './workspaceText.ts';

/** `open`: in an editor, edited in place. `workspace`: a file on disk, replaced as a whole. */
export type Scope = 'open' | 'workspace';

export interface NgramOptions {
  /**
   * Text indexed at most, in bytes; workspace files beyond it are refused. Each takes about 6 bytes of memory where
   * 10 MB are indexed and 3 where 100 MB are; below 4 MB it is 8 to 11.
   */
  readonly maximumBytes: number;
}

export interface NgramStats {
  readonly files: number;
  readonly bytes: number;
  readonly memoryBytes: number;
}

interface OpenDocument extends ReadableDocument {
  readonly scope: 'open';
  bytes: Uint8Array;
  counted: boolean;
}

interface FileOnDisk {
  readonly scope: 'workspace';
  /** Position in the workspace's text. */
  start: number;
  readonly length: number;
  readonly counted: boolean;
  /** When the file was changed last, as the caller said. */
  modifiedMs: number;
}

/** Short contexts are counted in this much of the workspace, in bytes, and then in a part of it: they settle soon. */
const COUNTED = { bytes: 4_000_000, part: 1 / 16 };
/** Larger documents are only searched for long matches. */
const LARGEST_COUNTED = 262_144;
/** Larger documents are not indexed while open; a window before the cursor is. */
const LARGEST_OPEN = 4_000_000;
/** Removed text that is worth moving the rest for, in bytes and as a part of all. */
const COMPACTION = { bytes: 1_000_000, part: 0.25 };

/** Nested scopes of text, this document, the open ones, the workspace, and what follows what in them. No training. */
export class NgramIndex {
  readonly live = new LiveText();
  /** Counts of short contexts in all scopes. */
  readonly shared = new LowOrders();
  readonly interpolation = new Interpolation(LEVELS);
  /** Grows when matches found earlier may be gone. */
  version = 0;
  readonly #workspace = new WorkspaceText();
  readonly #documents = new Map<string, OpenDocument | FileOnDisk>();
  readonly #options: NgramOptions;
  #bytes = 0;
  /** Bytes of the workspace's files whose short contexts are counted. */
  #countedBytes = 0;

  constructor(options: NgramOptions) {
    this.#options = options;
  }

  /** Grows with every change to the workspace's files, as far as `save` is concerned. */
  get workspaceVersion(): number {
    return this.#workspace.version;
  }

  createReader(): DocumentReader {
    const predictor = new Predictor(this.live, this.#workspace, this.shared, this.interpolation);
    return new DocumentReader(predictor, this.live, this.shared);
  }

  get stats(): NgramStats {
    const memoryBytes = this.live.memoryBytes + this.shared.memoryBytes + this.#workspace.memoryBytes;
    return { files: this.#documents.size, bytes: this.#bytes, memoryBytes };
  }

  /**
   * Indexes a document, or follows its change. Only what changed costs in an open one. False, and the document is
   * not indexed, where a workspace file would exceed `maximumBytes` or an open one is larger than 4 MB.
   */
  setDocument(id: string, text: Uint8Array, scope: Scope, modifiedMs = 0): boolean {
    const known = this.#documents.get(id);
    const fits =
      scope === 'open'
        ? text.length <= LARGEST_OPEN
        : this.#bytes - lengthOf(known) + text.length <= this.#options.maximumBytes;
    if (!fits) {
      this.removeDocument(id);
      return false;
    }
    const bytes = withoutZeros(text);
    if (known === undefined) this.#insert(id, bytes, scope, modifiedMs);
    else if (known.scope === 'open' && scope === 'open') this.#edit(known, bytes);
    else this.#replace(id, known, bytes, scope, modifiedMs);
    return true;
  }

  removeDocument(id: string): void {
    const document = this.#documents.get(id);
    if (document === undefined) return;
    if (document.counted) this.#recount(this.#textOf(document), NONE);
    this.#takeOut(id, document);
  }

  /** The workspace's files, with what `setDocument` was told of each. */
  *files(): Generator<{ readonly id: string; readonly bytes: number; readonly modifiedMs: number }> {
    for (const [id, document] of this.#documents) {
      if (document.scope === 'workspace')
        yield { id, bytes: document.length, modifiedMs: document.modifiedMs };
    }
  }

  /**
   * The workspace's files and what was learned, as the slices of one file for `load`. Open documents are left out. The
   * slices are made one by one from live memory: they make a whole only while `workspaceVersion` stays as it is.
   */
  save(): Iterable<Uint8Array> {
    const open: OpenDocument[] = [];
    const files: SavedFile[] = [];
    for (const [id, document] of this.#documents) {
      if (document.scope === 'open') open.push(document);
      else files.push({ id, ...withoutScope(document) });
    }
    for (const { bytes, counted } of open) if (counted) this.shared.remove(bytes, 0, bytes.length);
    const counts = this.shared.save();
    for (const { bytes, counted } of open) if (counted) this.shared.add(bytes, 0, bytes.length);
    const { text, buckets, words, free, ...values } = this.#workspace.save();
    const { stopped, reached } = this.interpolation.save();
    const sections = {
      text,
      buckets,
      words,
      free: free.slice(),
      stopped: stopped.slice(),
      reached: reached.slice(),
      slots: counts.slots,
      countWords: counts.words,
      countFree: counts.free,
    };
    return encodeSnapshot({ values, files, sections });
  }

  /**
   * Takes back what `save` wrote, into an empty index. False, and nothing changed, where it cannot be used or is more
   * than `maximumBytes`.
   */
  load(file: Uint8Array): boolean {
    const snapshot = this.#documents.size === 0 ? decodeSnapshot(file) : undefined;
    if (snapshot === undefined) return false;
    const { values, files, sections } = snapshot;
    const { text, buckets, words, free } = sections;
    const { size, nSplit, nPositions, removed } = values;
    const bytes = files.reduce((sum, file) => sum + file.length, 0);
    if (bytes > this.#options.maximumBytes) return false;
    this.#workspace.load({ text, buckets, words, free, size, nSplit, nPositions, removed });
    this.shared.load({ slots: sections.slots, words: sections.countWords, free: sections.countFree });
    this.interpolation.load({ stopped: sections.stopped, reached: sections.reached });
    for (const { id, ...saved } of files) {
      this.#documents.set(id, { scope: 'workspace', ...saved });
      this.#bytes += saved.length;
      if (saved.counted) this.#countedBytes += saved.length;
    }
    this.version++;
    return true;
  }

  /**
   * The open document of this id, and the offset in it at which the prefix ends. Where the indexed text doesn't hold
   * the prefix, or isn't open, the prefix is indexed as the document's text.
   */
  locate(id: string, prefix: Uint8Array, suffix: Uint8Array): { document: ReadableDocument; cursor: number } {
    const before = prefix.includes(0) ? withoutZeros(prefix) : prefix;
    const known = this.#find(id, before, suffix);
    if (known !== undefined) return known;
    const shown = windowOf(before);
    const cut = shown.length === before.length ? undefined : this.#find(id, shown, suffix);
    if (cut !== undefined) return cut;
    this.setDocument(id, shown, 'open');
    const document = this.#documents.get(id);
    if (document?.scope !== 'open') throw new Error('A text within the limits was not indexed.');
    return { document, cursor: shown.length };
  }

  #find(
    id: string,
    prefix: Uint8Array,
    suffix: Uint8Array,
  ): { document: ReadableDocument; cursor: number } | undefined {
    const document = this.#documents.get(id);
    if (document?.scope !== 'open') return undefined;
    const cursor = cursorIn(document.bytes, prefix, suffix);
    return cursor < 0 ? undefined : { document, cursor };
  }

  #insert(id: string, bytes: Uint8Array, scope: Scope, modifiedMs: number): void {
    const counted = this.#isCounted(bytes, scope);
    if (counted) this.shared.add(bytes, 0, bytes.length);
    this.#putIn(id, bytes, scope, counted, modifiedMs);
  }

  #replace(
    id: string,
    known: OpenDocument | FileOnDisk,
    bytes: Uint8Array,
    scope: Scope,
    modifiedMs: number,
  ): void {
    const old = this.#textOf(known);
    if (scope === known.scope && Buffer.compare(old, bytes) === 0) {
      if (known.scope === 'workspace') known.modifiedMs = modifiedMs;
      return;
    }
    const counted = known.counted ? bytes.length <= LARGEST_COUNTED : this.#isCounted(bytes, scope);
    this.#recount(known.counted ? old : NONE, counted ? bytes : NONE);
    this.#takeOut(id, known);
    this.#putIn(id, bytes, scope, counted, modifiedMs);
  }

  #edit(document: OpenDocument, bytes: Uint8Array): void {
    const old = document.bytes;
    const from = commonPrefix(old, bytes);
    if (from === old.length && from === bytes.length) return;
    const kept = commonSuffix(old, bytes, from);
    const counted = this.#isCounted(bytes, 'open');
    this.#recount(document.counted ? old : NONE, counted ? bytes : NONE);
    this.live.replace(document, bytes, from, old.length - kept, bytes.length - kept);
    document.bytes = bytes;
    document.counted = counted;
    this.#bytes += bytes.length - old.length;
    this.version++;
  }

  #isCounted(bytes: Uint8Array, scope: Scope): boolean {
    if (bytes.length > LARGEST_COUNTED) return false;
    const room = Math.max(COUNTED.bytes, this.#bytes * COUNTED.part);
    return scope === 'open' || this.#countedBytes + bytes.length <= room;
  }

  /** Takes the counts of one text back and adds those of another, as far as they differ. */
  #recount(old: Uint8Array, bytes: Uint8Array): void {
    const from = commonPrefix(old, bytes);
    const kept = commonSuffix(old, bytes, from);
    this.shared.remove(old, from, Math.min(old.length, old.length - kept + LONGEST_COUNTED));
    this.shared.add(bytes, from, Math.min(bytes.length, bytes.length - kept + LONGEST_COUNTED));
  }

  #putIn(id: string, bytes: Uint8Array, scope: Scope, counted: boolean, modifiedMs: number): void {
    this.#bytes += bytes.length;
    if (scope === 'open') {
      const document: OpenDocument = { scope, bytes, counted, cells: [] };
      this.live.replace(document, bytes, 0, 0, bytes.length);
      this.#documents.set(id, document);
      return;
    }
    if (counted) this.#countedBytes += bytes.length;
    const start = this.#workspace.append(bytes);
    this.#documents.set(id, { scope, start, length: bytes.length, counted, modifiedMs });
  }

  /** Forgets a document, except for its counts. */
  #takeOut(id: string, document: OpenDocument | FileOnDisk): void {
    this.version++;
    this.#bytes -= lengthOf(document);
    this.#documents.delete(id);
    if (document.scope === 'open') {
      this.live.remove(document);
      document.bytes = NONE;
      document.counted = false;
      return;
    }
    if (document.counted) this.#countedBytes -= document.length;
    this.#workspace.remove(document.start, document.length);
    const { removed, size } = this.#workspace;
    if (removed > COMPACTION.bytes && removed > COMPACTION.part * size)
      this.#workspace.compact(this.#files());
  }

  /** The workspace's files, in the order of their starts. */
  #files(): FileOnDisk[] {
    const files: FileOnDisk[] = [];
    for (const document of this.#documents.values()) if (document.scope === 'workspace') files.push(document);
    return files;
  }

  #textOf(document: OpenDocument | FileOnDisk): Uint8Array {
    if (document.scope === 'open') return document.bytes;
    return this.#workspace.text.slice(document.start, document.start + document.length);
  }
}

function withoutScope({ start, length, counted, modifiedMs }: FileOnDisk) {
  return { start, length, counted, modifiedMs };
}

const NONE = new Uint8Array(0);
function lengthOf(document: OpenDocument | FileOnDisk | undefined): number {
  if (document === undefined) return 0;
  return document.scope === 'open' ? document.bytes.length : document.length;
}
