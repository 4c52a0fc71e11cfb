import { crc32 } from 'node:zlib';
import * as z from 'zod';

/** Changes whenever what is saved would be read otherwise. */
const FORMAT = 'consort n-gram 2';
const length = z.int().nonnegative();
const headerSchema = z.strictObject({
  format: z.literal(FORMAT),
  values: z.strictObject({ size: length, nSplit: length, nPositions: length, removed: length }),
  files: z.array(
    z.strictObject({
      id: z.string(),
      start: length,
      length,
      counted: z.boolean(),
      modifiedMs: z.number(),
    }),
  ),
  sections: z.strictObject({
    text: length,
    buckets: length,
    words: length,
    free: length,
    stopped: length,
    reached: length,
    slots: length,
    countWords: length,
    countFree: length,
  }),
});
type Header = z.infer<typeof headerSchema>;
type SectionName = keyof Header['sections'];

export type SavedFile = Header['files'][number];

/** The state of an index: numbers, files and the bytes of its arrays (little-endian), by name. */
export interface Snapshot {
  readonly values: Readonly<Header['values']>;
  readonly files: readonly SavedFile[];
  readonly sections: Readonly<Record<SectionName, Uint8Array>>;
}

/** The order of the sections in a file. */
const sectionNames = headerSchema.shape.sections.keyof().options;
const WORD = Uint32Array.BYTES_PER_ELEMENT;
/** Bytes that are checked and written at once. */
const SLICE = 1 << 20;

/**
 * A snapshot as the slices of one file, in order: the header's length, the header, the sections, and a checksum of all
 * that. The sections are not copied: whoever changes them before the last slice is written spoils the file.
 */
export function* encodeSnapshot({ values, files, sections }: Snapshot): Generator<Uint8Array, void> {
  const lengths = Object.fromEntries(sectionNames.map((name) => [name, sections[name].length]));
  const header = new TextEncoder().encode(
    JSON.stringify({ format: FORMAT, values, files, sections: lengths }),
  );
  let checksum = 0;
  for (const part of [wordOf(header.length), header, ...sectionNames.map((name) => sections[name])]) {
    for (const slice of slicesOf(part)) {
      checksum = crc32(slice, checksum);
      yield slice;
    }
  }
  yield wordOf(checksum);
}

/** What `encodeSnapshot` wrote, or undefined where that is damaged or of another version. Views of the file's bytes. */
export function decodeSnapshot(file: Uint8Array): Snapshot | undefined {
  if (file.length < 2 * WORD) return undefined;
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  const end = file.length - WORD;
  let checksum = 0;
  for (const slice of slicesOf(file.subarray(0, end))) checksum = crc32(slice, checksum);
  if (checksum !== view.getUint32(end, true)) return undefined;
  const headerEnd = WORD + view.getUint32(0, true);
  const header = headerSchema.safeParse(parseJson(file.subarray(WORD, headerEnd))).data;
  if (header === undefined) return undefined;
  let at = headerEnd;
  const take = (name: SectionName) => {
    const start = at;
    at += header.sections[name];
    return file.subarray(start, at);
  };
  const sections = {
    text: take('text'),
    buckets: take('buckets'),
    words: take('words'),
    free: take('free'),
    stopped: take('stopped'),
    reached: take('reached'),
    slots: take('slots'),
    countWords: take('countWords'),
    countFree: take('countFree'),
  } satisfies Snapshot['sections'];
  return at === end ? { values: header.values, files: header.files, sections } : undefined;
}

function* slicesOf(bytes: Uint8Array): Generator<Uint8Array, void> {
  for (let at = 0; at < bytes.length; at += SLICE) yield bytes.subarray(at, at + SLICE);
}

function wordOf(value: number): Uint8Array {
  return new Uint8Array(Uint32Array.of(value).buffer);
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
