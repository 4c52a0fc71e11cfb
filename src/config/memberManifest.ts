import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import path from 'node:path';
import * as z from 'zod';
import { MemberError } from './memberError.ts';

/** The file of a member's folder that describes it. */
export const memberManifestFile = 'member.json';

const relativePath = z
  .string()
  .min(1)
  .refine(
    (file) => !path.isAbsolute(file) && !file.split(/[\\/]/).includes('..'),
    'must be a path inside the folder',
  );

/** member.json: what a member is, which files it is made of, and how it wants its prompt. */
export const memberManifestSchema = z
  .strictObject({
    id: z
      .string()
      .regex(/^[a-z0-9][a-z0-9._-]*$/, 'must be small letters, digits, dots, dashes and underscores')
      .describe('Names the member in settings, reports and shares.'),
    name: z.string().min(1).describe('The name shown to people.'),
    version: z.string().min(1),
    kind: z.literal('neural'),
    license: z.string().min(1).describe('SPDX identifier of the weights.'),
    description: z.string(),
    languages: z
      .union([z.literal('*'), z.array(z.string().min(1)).min(1)])
      .describe('Language identifiers that it is meant for, or "*".'),
    parameters: z.int().positive().describe('How many weights it has.'),
    contextTokens: z
      .int()
      .min(128)
      .max(1 << 20)
      .describe('Tokens of context that it was trained for.'),
    export: z
      .enum(['twoPart', 'grow'])
      .describe("How the model keeps its past: our own export, or Hugging Face's growing past."),
    model: relativePath,
    config: relativePath.describe("Hugging Face's config.json."),
    tokenizer: relativePath.describe("Hugging Face's tokenizer.json, byte-level BPE."),
    fillInTheMiddle: z
      .strictObject({
        prefix: z.string().min(1),
        suffix: z.string().min(1),
        middle: z.string().min(1),
        order: z
          .enum(['spm', 'psm'])
          .describe('Suffix first (prefix, suffix, text after, middle, text before), or text before first.'),
      })
      .describe('The markers around the text before and after the cursor; each is one token.'),
    endTokens: z.array(z.string().min(1)).min(1).describe('The tokens that say: the insertion is complete.'),
    files: z
      .array(
        z.strictObject({
          path: relativePath,
          sha256: z.string().regex(/^[0-9a-f]{64}$/, 'must be 64 hexadecimal digits'),
          bytes: z.int().nonnegative(),
        }),
      )
      .min(1),
  })
  .superRefine((manifest, context) => {
    for (const field of ['model', 'config', 'tokenizer'] satisfies (keyof typeof manifest)[]) {
      if (manifest.files.some((file) => file.path === manifest[field])) continue;
      context.addIssue({
        code: 'custom',
        path: [field],
        message: `${manifest[field]} is not listed in files`,
      });
    }
  });

export type MemberManifest = z.infer<typeof memberManifestSchema>;

/** Whether a member of these languages takes part in completions of this one. */
export function isMeantFor(languages: MemberManifest['languages'], languageId: string): boolean {
  return languages === '*' || languages.includes(languageId);
}

export type ManifestResult =
  | { readonly manifest: MemberManifest; readonly problem?: never }
  | { readonly manifest?: never; readonly problem: MemberError };

/** Reads a member's manifest and checks every file against it: present, of the right size, with the right sha256. */
export async function loadMemberManifest(folder: string, signal?: AbortSignal): Promise<ManifestResult> {
  try {
    const manifest = await readMemberManifest(folder);
    for (const file of manifest.files) await checkFile(folder, file, signal);
    return { manifest };
  } catch (error) {
    if (error instanceof MemberError) return { problem: error };
    throw error;
  }
}

/** The manifest alone, its files unseen. Rejects with a MemberError where it cannot be used. */
export async function readMemberManifest(folder: string): Promise<MemberManifest> {
  const file = path.join(folder, memberManifestFile);
  const name = path.basename(folder);
  let text: string;
  try {
    text = await readFile(file, 'utf8');
  } catch (error) {
    throw new MemberError(
      `The member ${name} has no readable ${memberManifestFile} (${codeOf(error)})`,
      `Each member is a folder with a ${memberManifestFile}; add it, or take the folder away.`,
    );
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch (error) {
    throw new MemberError(
      `${file} is not JSON: ${error instanceof Error ? error.message : error}`,
      'Correct the file, or get the member again.',
    );
  }
  const parsed = memberManifestSchema.safeParse(json);
  if (parsed.success) return parsed.data;
  throw new MemberError(
    `${file} is not a member's manifest: ${describeIssues(parsed.error)}`,
    'Correct the fields named here; remove fields that are not known.',
  );
}

function describeIssues(error: z.ZodError): string {
  return error.issues
    .map((issue) => (issue.path.length > 0 ? `${issue.path.join('.')}: ${issue.message}` : issue.message))
    .join('; ');
}

type FileEntry = MemberManifest['files'][number];

async function checkFile(folder: string, entry: FileEntry, signal?: AbortSignal): Promise<void> {
  const file = path.join(folder, entry.path);
  const { bytes, sha256 } = await hashFile(file, signal).catch((error: unknown) => {
    signal?.throwIfAborted();
    throw new MemberError(
      `The member ${path.basename(folder)} lacks its file ${entry.path} (${codeOf(error)})`,
      mendHint(folder),
    );
  });
  if (bytes === entry.bytes && sha256 === entry.sha256) return;
  const how =
    bytes === entry.bytes ? 'its sha256 differs' : `it has ${bytes} bytes instead of ${entry.bytes}`;
  throw new MemberError(
    `The file ${entry.path} of the member ${path.basename(folder)} is not the one that its manifest describes: ${how}`,
    mendHint(folder),
  );
}

function mendHint(folder: string): string {
  return `Get the member again (a bundled one comes back when the extension is installed again), or remove ${folder}.`;
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error);
}

/** Size and sha256 (hexadecimal) of a file, read as a stream. */
export async function hashFile(
  file: string,
  signal?: AbortSignal,
): Promise<{ bytes: number; sha256: string }> {
  const hash = createHash('sha256');
  let bytes = 0;
  for await (const chunk of createReadStream(file, signal ? { signal } : {})) {
    hash.update(chunk);
    bytes += chunk.length;
  }
  return { bytes, sha256: hash.digest('hex') };
}
