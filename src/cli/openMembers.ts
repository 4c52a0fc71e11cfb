import { createHash } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { explainMemberProblem } from '../config/memberError.ts';
import { isMeantFor, loadMemberManifest, memberManifestFile } from '../config/memberManifest.ts';
import type { DocumentIndex } from '../evaluation/targetIndex.ts';
import type { TokenMember } from '../evaluation/tokenContender.ts';
import type { Member } from '../lm/member.ts';
import { ByteTokenizer } from '../lm/neural/byteTokenizer.ts';
import { openGrowDecoder } from '../lm/neural/growDecoder.ts';
import { defaultNeuralMemberOptions, openNeuralMember } from '../lm/neural/neuralMember.ts';
import { defaultPromptLimits, PromptBuilder } from '../lm/neural/prompt.ts';
import { parseDecoderShape } from '../lm/neural/session.ts';
import { SortedVocabulary } from '../lm/neural/sortedVocabulary.ts';
import { openTwoPartDecoder } from '../lm/neural/twoPartDecoder.ts';
import { NgramIndex } from '../lm/ngram/ngramIndex.ts';
import { NgramMember } from '../lm/ngram/ngramMember.ts';
import { findMembers, type MemberFolder } from '../server/memberFolders.ts';
import { Failure, UsageError } from './failures.ts';

/** Members in this process, for commands that compare many policies on the same text. */
export interface OpenMembers {
  readonly members: readonly Member[];
  readonly index: DocumentIndex;
  readonly takesPart: (member: Member, languageId: string) => boolean;
  /** The neural ones as their tokens see them; loaded when first asked for. */
  readonly tokenMembers: () => Promise<readonly TokenMember[]>;
  close(): Promise<void>;
}

export interface MembersOptions {
  readonly modelsPath: string;
  /** Of the neural members only these; all by default. */
  readonly ids?: readonly string[] | undefined;
  readonly withoutNgram?: boolean | undefined;
}

/** Throws a Failure where a member cannot be used, a UsageError where there is none of a name. */
export async function openMembers(options: MembersOptions): Promise<OpenMembers> {
  const index = new NgramIndex({ maximumBytes: 1 << 28 });
  const members: Member[] = options.withoutNgram ? [] : [new NgramMember('workspace', index)];
  const languages = new Map<string, MemberFolder['languages']>();
  const chosen = chosenMembers(options);
  let tokenMembers: Promise<TokenMember[]> | undefined;
  for (const found of chosen) {
    members.push(await openMember(found.folder));
    languages.set(found.id, found.languages);
  }
  if (members.length === 0) throw new Failure(`there are no members in ${options.modelsPath}.`);
  return {
    members,
    index: {
      setDocument: async (id, text, scope) => void index.setDocument(id, text, scope),
      removeDocument: async (id) => index.removeDocument(id),
    },
    takesPart: ({ id }, languageId) => isMeantFor(languages.get(id) ?? '*', languageId),
    tokenMembers: () => {
      tokenMembers ??= Promise.all(chosen.map(({ folder }) => openTokenMember(folder)));
      return tokenMembers;
    },
    close: async () => {
      for (const member of members) await member.close();
      for (const { decoder } of (await tokenMembers) ?? []) await decoder.close();
    },
  };
}

/** Tells apart the neural members of a folder by their manifests, which hold the hashes of their files. */
export async function membersDigest({ modelsPath, ids, withoutNgram }: MembersOptions): Promise<string> {
  const hash = createHash('sha256');
  for (const { id, folder } of chosenMembers({ modelsPath, ids })) {
    hash.update(id).update(await readFile(join(folder, memberManifestFile)));
  }
  if (withoutNgram) hash.update('without n-gram');
  return hash.digest('hex').slice(0, 16);
}

/** Of the members in a folder of members, those that are named; all by default. */
function chosenMembers({ modelsPath, ids }: MembersOptions): readonly MemberFolder[] {
  const found = findMembers(modelsPath);
  const unknown = ids?.find((id) => !found.some((member) => member.id === id));
  if (unknown !== undefined) {
    throw new UsageError(
      `there is no member "${unknown}"`,
      `Members: ${found.map(({ id }) => id).join(', ')}`,
    );
  }
  return ids === undefined ? found : found.filter(({ id }) => ids.includes(id));
}

/** Throws a Failure where the member cannot be used. */
async function openTokenMember(folder: string): Promise<TokenMember> {
  const { manifest, problem } = await loadMemberManifest(folder);
  if (problem) throw new Failure(explainMemberProblem(problem));
  const json = async (file: string): Promise<unknown> =>
    JSON.parse(await readFile(join(folder, file), 'utf8'));
  const tokenizer = new ByteTokenizer(await json(manifest.tokenizer));
  const marker = (content: string) => {
    const id = tokenizer.marker(content);
    if (id === undefined) throw new Failure(`${folder}: ${content} is not a token of its tokenizer.`);
    return id;
  };
  const { prefix, suffix, middle, order } = manifest.fillInTheMiddle;
  const markers = { prefix: marker(prefix), suffix: marker(suffix), middle: marker(middle), order };
  const open = manifest.export === 'twoPart' ? openTwoPartDecoder : openGrowDecoder;
  const shape = parseDecoderShape(await json(manifest.config));
  return {
    id: manifest.id,
    tokens: tokenizer.tokens,
    decoder: await open(join(folder, manifest.model), shape),
    vocabulary: new SortedVocabulary(tokenizer.tokens, manifest.endTokens.map(marker)),
    newPrompts: () => new PromptBuilder(tokenizer, markers, manifest.contextTokens, defaultPromptLimits),
  };
}

async function openMember(folder: string): Promise<Member> {
  const { manifest, problem } = await loadMemberManifest(folder);
  if (problem) throw new Failure(explainMemberProblem(problem));
  // They keep one document: what one policy has read is not to be another's, and the documents come in order.
  return openNeuralMember(folder, manifest, { ...defaultNeuralMemberOptions, cacheBytes: 1 });
}
