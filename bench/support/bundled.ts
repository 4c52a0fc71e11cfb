import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { memberManifestFile, memberManifestSchema } from '../../src/config/memberManifest.ts';
import type { TextContext } from '../../src/lm/member.ts';
import { ByteTokenizer } from '../../src/lm/neural/byteTokenizer.ts';
import { defaultPromptLimits, PromptBuilder } from '../../src/lm/neural/prompt.ts';
import { bundledMembersPath, findMembers } from '../../src/server/memberFolders.ts';

/** A bundled member as a peer would use it: its tokens, and the prompt it is given. */
export interface BundledMember {
  readonly id: string;
  readonly folder: string;
  readonly parameters: number;
  /** Bytes of a token's text, by id; null for a marker. */
  readonly tokens: readonly (Uint8Array | null)[];
  /** The prompt as the product gives it, up to the last safe token boundary. */
  prompt(context: TextContext): readonly number[];
}

/** The bundled member with the most weights. */
export async function largestBundledMember(): Promise<BundledMember> {
  const members = await Promise.all(
    findMembers(bundledMembersPath()).map(({ folder }) => openBundledMember(folder)),
  );
  const [largest] = members.sort((a, b) => b.parameters - a.parameters);
  if (!largest) throw new Error(`There is no member in ${bundledMembersPath()}.`);
  return largest;
}

async function openBundledMember(folder: string): Promise<BundledMember> {
  const json = async (file: string): Promise<unknown> =>
    JSON.parse(await readFile(path.join(folder, file), 'utf8'));
  const manifest = memberManifestSchema.parse(await json(memberManifestFile));
  const { fillInTheMiddle } = manifest;
  const tokenizer = new ByteTokenizer(await json(manifest.tokenizer));
  const marker = (content: string) => {
    const id = tokenizer.marker(content);
    if (id === undefined) throw new Error(`${content} is no marker of ${manifest.id}`);
    return id;
  };
  const markers = {
    prefix: marker(fillInTheMiddle.prefix),
    suffix: marker(fillInTheMiddle.suffix),
    middle: marker(fillInTheMiddle.middle),
    order: fillInTheMiddle.order,
  };
  return {
    id: manifest.id,
    folder,
    parameters: manifest.parameters,
    tokens: tokenizer.tokens,
    prompt: (context) =>
      new PromptBuilder(tokenizer, markers, manifest.contextTokens, defaultPromptLimits).build(context)
        .tokens,
  };
}
