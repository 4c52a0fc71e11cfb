import { crc32 } from 'node:zlib';
import * as z from 'zod';

/** Changes whenever what is saved would be read otherwise. */
const FORMAT = 'consort n-gram 1';
const headerSchema = z.strictObject({
  format: z.literal(FORMAT),
  checksum: z.number(),
  values: z.record(z.string(), z.number()),
  files: z.array(
    z.strictObject({
      id: z.string(),
      start: z.int(),
      length: z.int(),
      counted: z.boolean(),
      modifiedMs: z.number(),
    }),
  ),
  sections: z.record(z.string(), z.int()),
});

export type SavedFile = z.infer<typeof headerSchema>['files'][number];

/** The state of an index: numbers, files and the bytes of its arrays (little-endian), by name. */
export interface Snapshot {
  readonly values: Readonly<Record<string, number>>;
  readonly files: readonly SavedFile[];
  readonly sections: Readonly<Record<string, Uint8Array>>;
}

/** A snapshot as the parts of one file, in order. The sections are not copied: write them before the next change. */
export function encodeSnapshot({ values, files, sections }: Snapshot): Uint8Array[] {
  const parts = Object.values(sections);
  const header = new TextEncoder().encode(
    JSON.stringify({
      format: FORMAT,
      checksum: checksumOf(parts),
      values,
      files,
      sections: Object.fromEntries(Object.entries(sections).map(([name, bytes]) => [name, bytes.length])),
    }),
  );
  return [new Uint8Array(Uint32Array.of(header.length).buffer), header, ...parts];
}

/** What `encodeSnapshot` wrote, or undefined where that is damaged or of another version. Views of the file's bytes. */
export function decodeSnapshot(file: Uint8Array): Snapshot | undefined {
  const prefix = Uint32Array.BYTES_PER_ELEMENT;
  if (file.length < prefix) return undefined;
  const headerEnd = prefix + new DataView(file.buffer, file.byteOffset).getUint32(0, true);
  const header = headerSchema.safeParse(parseJson(file.subarray(prefix, headerEnd))).data;
  if (header === undefined) return undefined;
  const sections: Record<string, Uint8Array> = {};
  let at = headerEnd;
  for (const [name, length] of Object.entries(header.sections)) {
    sections[name] = file.subarray(at, at + length);
    at += length;
  }
  const isWhole = at === file.length && checksumOf(Object.values(sections)) === header.checksum;
  return isWhole ? { values: header.values, files: header.files, sections } : undefined;
}

function checksumOf(parts: readonly Uint8Array[]): number {
  let checksum = 0;
  for (const part of parts) checksum = crc32(part, checksum);
  return checksum;
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}
