import type { featureGroups } from '../config/policyFile.ts';

export type FeatureGroup = (typeof featureGroups)[number];

/** A number that a policy sees at a step. */
export interface Feature {
  /** Where it stands in its block. */
  readonly at: number;
  readonly group: FeatureGroup;
  /** What it is, and in which range. */
  readonly description: string;
}

const inMember = counted();
const inShared = counted();

/**
 * What a policy sees of each member, observation version 1. A number that does not apply is 0; what is said by a member
 * that has not read all of the text counts as not applying.
 */
export const memberFeatures = {
  hedgeLogWeight: inMember('hedge', 'ln h ÷ 5 of Hedge after the text before the cursor; −1 to 0'),
  recent16: inMember(
    'history',
    'mean ln p per byte ÷ 4 over about the last 16 bytes, of the text before the cursor and then of what is written; −1 to 0',
  ),
  recent64: inMember('history', 'the same over about 64 bytes'),
  recent256: inMember('history', 'the same over about 256 bytes'),
  entropy: inMember('shape', 'entropy of its distribution ÷ ln 257; 0 to 1'),
  top: inMember('shape', 'probability of its most probable symbol; 0 to 1'),
  margin: inMember('shape', 'that minus the probability of the second; 0 to 1'),
  boundary: inMember('shape', 'mass of the symbols of another lexeme class than the last byte; 0 to 1'),
  end: inMember('shape', 'mass of the end of the line; 0 to 1'),
  agrees: inMember('agreement', "1 where its most probable symbol is the mixture's"),
  support: inMember('agreement', "its probability of the mixture's most probable symbol; 0 to 1"),
  divergence: inMember('agreement', 'Jensen-Shannon divergence between it and the mixture ÷ ln 2; 0 to 1'),
  responsibility: inMember(
    'responsibility',
    'mean of pᵢ ÷ Σⱼ pⱼ over about the last 16 bytes, of the text before the cursor and then of what is written; 0 to 1',
  ),
  isNgram: inMember('ngram', '1 for a workspace n-gram'),
  matchLength: inMember('ngram', 'ln(1 + bytes of its match) ÷ ln 65; 0 to 1'),
  matchInWorkspace: inMember('ngram', '1 where the match is in a file of the workspace'),
  matchInOpenFile: inMember('ngram', '1 where it is in an open file'),
  matchInThisFile: inMember('ngram', '1 where it is in this file'),
  boundaryShare: inMember('alignment', 'part of its frontier that stands between two tokens; 0 to 1'),
  lags: inMember('alignment', '1 where it has not read all of the text'),
} as const satisfies Record<string, Feature>;

/** What it sees beside that. */
export const sharedFeatures = {
  top: inShared('shape', 'of the mixture under Hedge, as of a member'),
  entropy: inShared('shape', 'likewise'),
  margin: inShared('shape', 'likewise'),
  boundary: inShared('shape', 'likewise'),
  end: inShared('shape', 'likewise'),
  isTypeScript: inShared('lexical', '1 in TypeScript, with or without JSX'),
  isJavaScript: inShared('lexical', '1 in JavaScript, with or without JSX'),
  isPython: inShared('lexical', '1 in Python'),
  isOtherLanguage: inShared('lexical', '1 in any other language'),
  inString: inShared('lexical', '1 inside a string'),
  inComment: inShared('lexical', '1 inside a comment'),
  column: inShared('lexical', 'bytes since the start of the line ÷ 100; 0 to 1'),
  indentation: inShared('lexical', 'columns of white space at the start of the line ÷ 32; 0 to 1'),
  textFollows: inShared('lexical', '1 where the line goes on after the cursor'),
  afterSpace: inShared('lexical', '1 where the last byte is white space'),
  afterWord: inShared('lexical', '1 where it is part of a word'),
  afterOperator: inShared('lexical', '1 where it is part of an operator'),
  written: inShared('progress', 'bytes written ÷ 200, the most there are; 0 to 1'),
  writtenLog: inShared('progress', 'ln(1 + bytes written) ÷ ln 201; 0 to 1'),
  meanLogProbability: inShared('progress', 'ln p per byte written ÷ 4; −1 to 0'),
  logProbability: inShared('progress', 'ln p of all that is written ÷ 10; −1 to 0'),
  nMembers: inShared('progress', 'members that take part ÷ 8; 0 to 1'),
} as const satisfies Record<string, Feature>;

/** How many there are. */
export const MEMBER_FEATURES = Object.keys(memberFeatures).length;
export const SHARED_FEATURES = Object.keys(sharedFeatures).length;

/** 1 for each feature of the groups, 0 for the others. */
export function featureMask(
  features: Readonly<Record<string, Feature>>,
  groups: readonly FeatureGroup[],
): Float32Array {
  return Float32Array.from(Object.values(features), ({ group }) => (groups.includes(group) ? 1 : 0));
}

/** Features are numbered in the order in which they are made. */
function counted() {
  let next = 0;
  return (group: FeatureGroup, description: string): Feature => ({ at: next++, group, description });
}
