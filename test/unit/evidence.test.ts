import { expect, test } from 'vitest';
import { LivePaths, PathTree } from '../../src/evaluation/pathTree.ts';
import { BOUNDARY_SHARE, MATCH_LENGTH, MATCH_SCOPE, matchScope } from '../../src/lm/evidence.ts';
import type { Member, TextContext } from '../../src/lm/member.ts';
import { NgramIndex } from '../../src/lm/ngram/ngramIndex.ts';
import { NgramMember } from '../../src/lm/ngram/ngramMember.ts';
import { toyNeuralMember } from '../support/toyNeuralMember.ts';

const never = new AbortController().signal;

function contextOf(prefix: string, documentId = 'a'): TextContext {
  return { documentId, languageId: '', prefix: Buffer.from(prefix), suffix: new Uint8Array() };
}

/** The evidence at the prefix's end and after each byte of the text, with what is to follow announced or not. */
async function evidenceAlong(
  member: Member,
  context: TextContext,
  text: string,
  draft?: string,
): Promise<Float64Array[]> {
  const stream = await member.open(context, never);
  const seen = [stream.evidence.slice()];
  if (draft !== undefined) await stream.expect?.(Buffer.from(draft));
  for (const byte of Buffer.from(text)) {
    await stream.advance(byte);
    seen.push(stream.evidence.slice());
  }
  stream.release();
  return seen;
}

const { none, workspace, open, file } = matchScope;

test.each([
  ['a text like no other', 'QZ', 0, none],
  ['what only the workspace has', 'alphabet soup', 13, workspace],
  ['what only another open document has', 'bagpipe music', 13, open],
  ['what this file has', 'cembalo tone; cembalo tone', 12, file],
  ['the nearest of equally long ones', '~delta wing;delta wing', 10, file],
  ['the longest before the nearest', 'epsilon tree; nepsilon tree', 13, workspace],
  ['a context too short to be looked up, in the workspace', '~oup', 3, workspace],
  ['a context too short to be looked up, in this file', 'xyz!xyz', 3, file],
])('the workspace member says what it goes by: %s', async (_, prefix, length, scope) => {
  const index = new NgramIndex({ maximumBytes: 1e6 });
  index.setDocument('w', Buffer.from('(alphabet soup, delta wing, #nepsilon tree)'), 'workspace');
  index.setDocument('b', Buffer.from('(bagpipe music, delta wing)'), 'open');
  const [evidence] = await evidenceAlong(new NgramMember('n', index), contextOf(prefix), '');
  expect([evidence[MATCH_LENGTH], evidence[MATCH_SCOPE]]).toEqual([length, scope]);
});

test('a neural member says how much of it stands between two tokens, whatever was announced', async () => {
  const text = 'return values[12] + "two";';
  const plain = await evidenceAlong(toyNeuralMember(), contextOf('let x = 1;\n', 'plain'), text);
  const shares = plain.map((evidence) => evidence[BOUNDARY_SHARE]);
  for (const share of shares) {
    expect(share).toBeGreaterThanOrEqual(0);
    expect(share).toBeLessThanOrEqual(1);
  }
  expect(new Set(shares).size).toBeGreaterThan(3);
  for (const draft of [text, text.slice(0, 9), 'return valve', '#']) {
    const drafted = await evidenceAlong(toyNeuralMember(), contextOf('let x = 1;\n', draft), text, draft);
    expect(drafted).toEqual(plain);
  }
});

test('what is kept along paths comes with its evidence', async () => {
  const context = contextOf('let x = 1;\n');
  const plain = await evidenceAlong(toyNeuralMember(), context, 'if (x) {');
  const cache = await LivePaths.open(toyNeuralMember(), new PathTree(), context, never);
  for (let reading = 0; reading < 2; reading++) {
    const stream = cache.stream();
    for (const [i, byte] of Buffer.from('if (x) {').entries()) {
      expect(stream.evidence).toEqual(plain[i]);
      await stream.advance(byte);
    }
    expect(stream.evidence).toEqual(plain.at(-1));
  }
  cache.close();
});
