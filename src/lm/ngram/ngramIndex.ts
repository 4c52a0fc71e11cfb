import { commonPrefix, commonSuffix } from './difference.ts';
import { DocumentReader, type ReadableDocument } from './documentReader.ts';
import { Interpolation } from './interpolation.ts';
import { LiveText } from './liveText.ts';
import { LONGEST_COUNTED, LowOrders } from './lowOrders.ts';
import { LEVELS, Predictor } from './predictor.ts';
import { WorkspaceText } from './workspaceText.ts';

/** `open`: in an editor, edited in place. `workspace`: a file on disk, replaced as a whole. */
export type Scope = 'open' | 'workspace';

export interface NgramOptions {
  /** Text indexed at most, in bytes; workspace files beyond it are refused. Memory is up to 8 times as much. */
  readonly maximumBytes: number;
}

export interface NgramStats {
  readonly files: number;
  readonly bytes: number;
  readonly memoryBytes: number;
}

export interface IndexedDocument extends ReadableDocument {
  scope: Scope;
  /** The text, while the document is open. */
  bytes: Uint8Array;
  /** Position and length in the workspace's text otherwise. */
  start: number;
  length: number;
  /** Whether its short contexts are counted. */
  counted: boolean;
}

/** Short contexts are counted in this much of the workspace; by then their statistics have settled. In bytes. */
const COUNTED_BYTES = 4_000_000;
/** Larger documents are only searched for long matches. */
const LARGEST_COUNTED = 262_144;
/** The start of some files is predicted before they are indexed, so that the weights suit the workspace. In bytes. */
const PRACTICE = { perFile: 3000, everyBytes: 30_000, atMost: 150_000 };
/** Removed text that is worth moving the rest for, in bytes and as a part of all. */
const COMPACTION = { bytes: 1_000_000, part: 0.25 };

/** Nested scopes of text, this document, the open ones, the workspace, and what follows what in them. No training. */
export class NgramIndex {
  readonly live = new LiveText();
  readonly shared = new LowOrders();
  readonly interpolation = new Interpolation(LEVELS);
  /** Grows when matches found earlier may be gone. */
  version = 0;
  readonly #workspace = new WorkspaceText();
  readonly #documents = new Map<string, IndexedDocument>();
  readonly #practice: DocumentReader;
  readonly #options: NgramOptions;
  #bytes = 0;
  #countedBytes = 0;
  #practised = 0;
  #seenBytes = 0;

  constructor(options: NgramOptions) {
    this.#options = options;
    this.#practice = this.createReader();
  }

  createReader(): DocumentReader {
    const predictor = new Predictor(this.live, this.#workspace, this.shared, this.interpolation);
    return new DocumentReader(predictor, this.live, this.shared);
  }

  get stats(): NgramStats {
    const memoryBytes = this.live.memoryBytes + this.shared.memoryBytes + this.#workspace.memoryBytes;
    return { files: this.#documents.size, bytes: this.#bytes, memoryBytes };
  }

  get(id: string): IndexedDocument | undefined {
    return this.#documents.get(id);
  }

  /**
   * Indexes a document, or follows its change. Only what changed costs in an open one. False, and nothing
   * indexed, where a workspace file would exceed `maximumBytes`.
   */
  setDocument(id: string, text: Uint8Array, scope: Scope): boolean {
    const bytes = withoutZeros(text);
    const document = this.#documents.get(id);
    if (document === undefined) return this.#insert(id, bytes, scope);
    if (scope === 'open' && document.scope === 'open') {
      this.#edit(document, bytes);
      return true;
    }
    const old = this.#textOf(document);
    if (scope === document.scope && Buffer.compare(old, bytes) === 0) return true;
    this.#take(id, document);
    return this.#insert(id, bytes, scope);
  }

  removeDocument(id: string): void {
    const document = this.#documents.get(id);
    if (document !== undefined) this.#take(id, document);
  }

  /**
   * The open document of this id and the offset in it at which the prefix ends. Where the indexed text doesn't hold
   * the prefix, or isn't open, the prefix is indexed as the document's text.
   */
  locate(id: string, prefix: Uint8Array, suffix: Uint8Array): { document: IndexedDocument; cursor: number } {
    const before = prefix.includes(0) ? withoutZeros(prefix) : prefix;
    const document = this.#documents.get(id);
    if (document?.scope === 'open') {
      const cursor = cursorIn(document.bytes, before, suffix);
      if (cursor >= 0) return { document, cursor };
    }
    this.setDocument(id, before, 'open');
    return this.locate(id, before, suffix);
  }

  #insert(id: string, bytes: Uint8Array, scope: Scope): boolean {
    if (scope === 'workspace' && this.#bytes + bytes.length > this.#options.maximumBytes) return false;
    if (scope === 'workspace') this.#practise(bytes);
    const counted =
      bytes.length <= LARGEST_COUNTED &&
      (scope === 'open' || this.#countedBytes + bytes.length <= COUNTED_BYTES);
    const document: IndexedDocument = { scope, bytes, start: 0, length: bytes.length, counted, cells: [] };
    if (counted) this.shared.add(bytes, 0, bytes.length);
    if (counted && scope === 'workspace') this.#countedBytes += bytes.length;
    if (scope === 'open') {
      this.live.replace(document, bytes, 0, 0, bytes.length);
    } else {
      document.start = this.#workspace.append(bytes);
      document.bytes = NONE;
    }
    this.#bytes += bytes.length;
    this.#documents.set(id, document);
    return true;
  }

  #take(id: string, document: IndexedDocument): void {
    const bytes = this.#textOf(document);
    this.version++;
    if (document.counted) this.shared.remove(bytes, 0, bytes.length);
    if (document.counted && document.scope === 'workspace') this.#countedBytes -= bytes.length;
    this.#bytes -= bytes.length;
    this.#documents.delete(id);
    if (document.scope === 'open') {
      this.live.remove(document);
      return;
    }
    this.#workspace.remove(document.start, document.length);
    const { removed, size } = this.#workspace;
    if (removed > COMPACTION.bytes && removed > COMPACTION.part * size) this.#compact();
  }

  #compact(): void {
    this.#workspace.compact([...this.#documents.values()].filter(({ scope }) => scope === 'workspace'));
  }

  #edit(document: IndexedDocument, bytes: Uint8Array): void {
    const old = document.bytes;
    const from = commonPrefix(old, bytes);
    if (from === old.length && from === bytes.length) return;
    const kept = commonSuffix(old, bytes, from);
    const oldEnd = old.length - kept;
    const newEnd = bytes.length - kept;
    this.version++;
    const counted = bytes.length <= LARGEST_COUNTED;
    if (document.counted && counted) {
      this.shared.remove(old, from, Math.min(old.length, oldEnd + LONGEST_COUNTED));
      this.shared.add(bytes, from, Math.min(bytes.length, newEnd + LONGEST_COUNTED));
    } else if (document.counted) this.shared.remove(old, 0, old.length);
    else if (counted) this.shared.add(bytes, 0, bytes.length);
    document.counted = counted;
    this.live.replace(document, bytes, from, oldEnd, newEnd);
    document.bytes = bytes;
    document.length = bytes.length;
    this.#bytes += newEnd - oldEnd;
  }

  #textOf(document: IndexedDocument): Uint8Array {
    if (document.scope === 'open') return document.bytes;
    return this.#workspace.text.slice(document.start, document.start + document.length);
  }

  /** Predicts the start of a file as if it were being typed, and learns how far to trust which context. */
  #practise(bytes: Uint8Array): void {
    this.#seenBytes += bytes.length;
    if (this.#practised >= PRACTICE.atMost || this.#practised * 10 > this.#seenBytes - PRACTICE.everyBytes)
      return;
    const text = bytes.slice(0, PRACTICE.perFile);
    const document: ReadableDocument = { bytes: text, counted: true, cells: [] };
    this.live.replace(document, text, 0, 0, text.length);
    this.shared.add(text, 0, text.length);
    this.#practice.read(document, 0, text.length, () => {});
    this.shared.remove(text, 0, text.length);
    this.live.remove(document);
    this.#practised += text.length;
    this.version++;
  }
}

const NONE = new Uint8Array(0);
const SPACE = 32;
/** Bytes after the cursor that tell two places apart. */
const AFTER_CURSOR = 64;

/** A copy of the text with spaces for 0 bytes, which separate documents. */
function withoutZeros(text: Uint8Array): Uint8Array {
  const bytes = text.slice();
  for (let at = bytes.indexOf(0); at >= 0; at = bytes.indexOf(0, at + 1)) bytes[at] = SPACE;
  return bytes;
}

/** Where in the text the cursor is, if the text holds the prefix; the suffix helps where it does so more than once. */
function cursorIn(text: Uint8Array, prefix: Uint8Array, suffix: Uint8Array): number {
  const holds = (bytes: Uint8Array, at: number) =>
    at >= 0 && Buffer.compare(text.subarray(at, at + bytes.length), bytes) === 0;
  if (holds(prefix, 0)) return prefix.length;
  if (suffix.length > 0 && holds(prefix, text.length - suffix.length - prefix.length)) {
    return text.length - suffix.length;
  }
  const haystack = Buffer.from(text.buffer, text.byteOffset, text.byteLength);
  const after = suffix.subarray(0, AFTER_CURSOR);
  let last = -1;
  for (let at = haystack.indexOf(prefix); at >= 0; at = haystack.indexOf(prefix, at + 1)) {
    last = at + prefix.length;
    if (holds(after, last)) return last;
  }
  return last;
}
