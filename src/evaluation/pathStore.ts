import { EVIDENCE } from '../lm/evidence.ts';
import type { MemberKind } from '../lm/member.ts';
import { END, SYMBOLS } from '../lm/symbols.ts';
import type { Cursor, CursorStream } from './cursor.ts';
import type { LiveCursor } from './liveCursors.ts';

/** What stands at the beginning of a file of collected paths: the cursors of one package. */
export interface PathHeader {
  readonly packageName: string;
  /** All that were loaded; those that are meant for a cursor's language take part there. */
  readonly members: readonly { readonly id: string; readonly kind: MemberKind }[];
  /** Of the members' files: paths of other members are of no use. */
  readonly digest: string;
  readonly seed: number;
  /** The most cursors that were asked for. */
  readonly limit: number;
  readonly nCursors: number;
  /** How much besides; wide where nothing is said. */
  readonly exploration?: 'wide' | 'none';
  /** The contenders whose texts lie in the tree. */
  readonly contenders: readonly string[];
}

/** One cursor with all that the members said along the true text and along what many policies wrote there. */
export interface CollectedCursor extends Cursor {
  readonly packageName: string;
  /** Per member: ln p of each of the last bytes before the cursor. */
  readonly recent: readonly Float64Array[];
  readonly tree: StoredTree;
  /** Nodes along the true text: the root, the one after its first byte, and so on to its end. */
  readonly truePath: Int32Array;
  /** SYMBOLS probabilities as the member gave them, line ends not folded. Not to be altered. */
  distribution(memberIdx: number, node: number): Float32Array;
  evidence(memberIdx: number, node: number): Float32Array;
  /**
   * One stream per member, fresh at the cursor. A text that leaves the tree ends there: from then on END has nearly
   * all the probability, which shortens the tail of a text that is wrong already.
   */
  streams(): TreeStream[];
}

export interface StoredTree {
  readonly nNodes: number;
  readonly parents: Int32Array;
  readonly bytes: Uint8Array;
  /** The node after this byte; -1 where the text leaves the tree. */
  child(node: number, byte: number): number;
}

export interface TreeStream extends CursorStream {
  /** Whether the text has left the tree. */
  readonly hasLeft: boolean;
}

const magic = 'CNSTPTH1';
/** Typed arrays are viewed where they lie in a record, in the byte order of the machine: little-endian everywhere. */
const alignment = 8;

export function encodeHeader(header: PathHeader): Uint8Array {
  const json = encoder.encode(JSON.stringify(header));
  const writer = new SectionWriter(16 + padded(json.length));
  writer.write(encoder.encode(magic));
  writer.write(new Uint32Array([json.length, 0]));
  writer.write(json);
  return writer.bytes;
}

/** The length of a header's JSON from a file's first 16 bytes; undefined where it is no file of paths. */
export function headerLength(bytes: Uint8Array): number | undefined {
  if (bytes.length < 16 || decoder.decode(bytes.subarray(0, 8)) !== magic) return undefined;
  return padded(new DataView(bytes.buffer, bytes.byteOffset).getUint32(8, true));
}

/** @param bytes as many as `headerLength` says, padded with zeros */
export function decodeHeader(bytes: Uint8Array): PathHeader {
  const end = bytes.indexOf(0);
  return {
    contenders: [],
    exploration: 'wide',
    ...JSON.parse(decoder.decode(end < 0 ? bytes : bytes.subarray(0, end))),
  };
}

interface RecordNotes {
  readonly languageId: string;
  readonly documentId: string;
  readonly memberIdxs: readonly number[];
  readonly target: string;
  readonly nNodes: number;
  readonly nRecent: readonly number[];
  readonly kept: NonNullable<Cursor['kept']>;
  readonly prefixBytes: number;
  readonly suffixBytes: number;
}

/** As much of the text around a cursor as is stored. */
const stored = { prefix: 4_000, suffix: 500 };

/** A record begins with its own length in bytes, this number included, as a 32-bit number. */
export function encodeCursor(cursor: LiveCursor): Uint8Array {
  const { context, target, exponents, memberIdxs, tree, paths } = cursor;
  const { nNodes } = tree;
  const nMembers = paths.length;
  const prefix = context.prefix.subarray(Math.max(0, context.prefix.length - stored.prefix));
  const suffix = context.suffix.subarray(0, stored.suffix);
  const notes: RecordNotes = {
    languageId: context.languageId,
    documentId: context.documentId,
    memberIdxs,
    target,
    nNodes,
    nRecent: paths.map(({ recent }) => recent.length),
    kept: cursor.kept ?? {},
    prefixBytes: prefix.length,
    suffixBytes: suffix.length,
  };
  const json = encoder.encode(JSON.stringify(notes));
  const distributions = new Float32Array(nMembers * nNodes * SYMBOLS);
  const evidence = new Float32Array(nMembers * nNodes * EVIDENCE);
  for (const [i, { answers }] of paths.entries()) {
    for (let node = 0; node < nNodes; node++) {
      const answer = answers[node];
      if (answer === undefined) throw new Error(`Member ${i} has not read node ${node}`);
      distributions.set(answer.distribution, (i * nNodes + node) * SYMBOLS);
      evidence.set(answer.evidence, (i * nNodes + node) * EVIDENCE);
    }
  }
  const sections: readonly Section[] = [
    json,
    ...paths.map(({ recent }) => recent),
    exponents.fresh,
    exponents.carried,
    Int32Array.from(tree.parents),
    Uint8Array.from(tree.bytes),
    prefix,
    suffix,
    distributions,
    evidence,
  ];
  const length = sections.reduce((sum, section) => sum + padded(section.byteLength), alignment);
  const writer = new SectionWriter(length);
  writer.write(new Uint32Array([length, json.length]));
  for (const section of sections) writer.write(section);
  return writer.bytes;
}

/** @param record a record's bytes, at the beginning of a buffer of their own */
export function decodeCursor(record: ArrayBuffer, header: PathHeader, packageIdx: number): CollectedCursor {
  const reader = new SectionReader(record);
  const [, jsonLength] = reader.uint32(2);
  const notes: RecordNotes = JSON.parse(decoder.decode(reader.uint8(jsonLength)));
  const { nNodes, memberIdxs, languageId, documentId, target } = notes;
  const nMembers = memberIdxs.length;
  const recent = notes.nRecent.map((n) => reader.float64(n));
  const exponents = { fresh: reader.float64(nMembers), carried: reader.float64(nMembers) };
  const tree = storedTree(reader.int32(nNodes), reader.uint8(nNodes));
  const prefix = reader.uint8(notes.prefixBytes);
  const suffix = reader.uint8(notes.suffixBytes);
  const distributions = reader.float32(nMembers * nNodes * SYMBOLS);
  const evidences = reader.float32(nMembers * nNodes * EVIDENCE);
  const rows = (all: Float32Array, width: number) => (memberIdx: number, node: number) => {
    const from = (memberIdx * nNodes + node) * width;
    return all.subarray(from, from + width);
  };
  const distribution = rows(distributions, SYMBOLS);
  const evidence = rows(evidences, EVIDENCE);
  return {
    packageName: header.packageName,
    packageIdx,
    languageId,
    members: memberIdxs.map((memberIdx) => header.members[memberIdx]),
    context: { documentId, languageId, prefix, suffix },
    target,
    exponents,
    kept: withNaN(notes.kept),
    recent,
    tree,
    truePath: followed(tree, encoder.encode(target)),
    distribution,
    evidence,
    streams: () =>
      recent.map(
        (scores, i) =>
          new StoredStream(
            tree,
            scores,
            (node) => distribution(i, node),
            (node) => evidence(i, node),
          ),
      ),
  };
}

/** JSON has no NaN: a number of bits that does not exist is null there. */
function withNaN(kept: RecordNotes['kept'] = {}): RecordNotes['kept'] {
  return Object.fromEntries(
    Object.entries(kept).map(([name, outcome]) => [name, { ...outcome, bits: outcome.bits ?? Number.NaN }]),
  );
}

class StoredStream implements TreeStream {
  readonly distribution = new Float64Array(SYMBOLS);
  readonly evidence = new Float64Array(EVIDENCE);
  readonly recentLogProbabilities: Float64Array;
  readonly forwardPasses = 0;
  readonly #tree: StoredTree;
  readonly #distributionAt: (node: number) => Float32Array;
  readonly #evidenceAt: (node: number) => Float32Array;
  #node = 0;

  constructor(
    tree: StoredTree,
    recent: Float64Array,
    distributionAt: (node: number) => Float32Array,
    evidenceAt: (node: number) => Float32Array,
  ) {
    this.#tree = tree;
    this.recentLogProbabilities = recent;
    this.#distributionAt = distributionAt;
    this.#evidenceAt = evidenceAt;
    this.#show();
  }

  get hasLeft(): boolean {
    return this.#node < 0;
  }

  advance(byte: number): undefined {
    if (this.#node >= 0) this.#node = this.#tree.child(this.#node, byte);
    this.#show();
  }

  release(): void {}

  #show(): void {
    if (this.#node >= 0) {
      this.distribution.set(this.#distributionAt(this.#node));
      this.evidence.set(this.#evidenceAt(this.#node));
      return;
    }
    this.distribution.fill(elsewhere);
    this.distribution[END] = 1 - (SYMBOLS - 1) * elsewhere;
    this.evidence.fill(0);
  }
}

/** Off the tree, the probability of each byte. */
const elsewhere = 1e-9;

function storedTree(parents: Int32Array, bytes: Uint8Array): StoredTree {
  // Children as a linked list per node: few nodes have more than one.
  const firstChild = new Int32Array(parents.length).fill(-1);
  const nextSibling = new Int32Array(parents.length).fill(-1);
  for (let node = parents.length - 1; node > 0; node--) {
    nextSibling[node] = firstChild[parents[node]];
    firstChild[parents[node]] = node;
  }
  return {
    nNodes: parents.length,
    parents,
    bytes,
    child(node, byte) {
      let at = firstChild[node];
      while (at >= 0 && bytes[at] !== byte) at = nextSibling[at];
      return at;
    },
  };
}

function followed(tree: StoredTree, text: Uint8Array): Int32Array {
  const path = new Int32Array(text.length + 1);
  for (const [i, byte] of text.entries()) {
    path[i + 1] = tree.child(path[i], byte);
    if (path[i + 1] < 0) throw new Error('A collected cursor lacks its own target: collect the paths again.');
  }
  return path;
}

type Section = Uint8Array | Uint32Array | Int32Array | Float32Array | Float64Array;

class SectionWriter {
  readonly bytes: Uint8Array;
  #offset = 0;

  constructor(length: number) {
    this.bytes = new Uint8Array(length);
  }

  write(section: Section): void {
    this.bytes.set(new Uint8Array(section.buffer, section.byteOffset, section.byteLength), this.#offset);
    this.#offset += padded(section.byteLength);
  }
}

class SectionReader {
  readonly #buffer: ArrayBuffer;
  #offset = 0;

  constructor(buffer: ArrayBuffer) {
    this.#buffer = buffer;
  }

  readonly uint8 = (n: number) => new Uint8Array(this.#buffer, this.#take(n), n);
  readonly uint32 = (n: number) => new Uint32Array(this.#buffer, this.#take(4 * n), n);
  readonly int32 = (n: number) => new Int32Array(this.#buffer, this.#take(4 * n), n);
  readonly float32 = (n: number) => new Float32Array(this.#buffer, this.#take(4 * n), n);
  readonly float64 = (n: number) => new Float64Array(this.#buffer, this.#take(8 * n), n);

  #take(nBytes: number): number {
    const from = this.#offset;
    this.#offset += padded(nBytes);
    return from;
  }
}

function padded(nBytes: number): number {
  return Math.ceil(nBytes / alignment) * alignment;
}

const encoder = new TextEncoder();
const decoder = new TextDecoder();
