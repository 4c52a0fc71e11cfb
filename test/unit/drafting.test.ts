import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { loadMemberManifest } from '../../src/config/memberManifest.ts';
import { type Completion, complete } from '../../src/decoding/complete.ts';
import { type DraftingOptions, draftingDefaults } from '../../src/decoding/drafting.ts';
import type { Member, MemberStream, TextContext } from '../../src/lm/member.ts';
import { type NeuralMember, openNeuralMember } from '../../src/lm/neural/neuralMember.ts';
import { Hedge } from '../../src/policy/hedge.ts';
import { toyNeuralMember } from '../support/toyNeuralMember.ts';
import { says, toyStream } from '../support/toyStream.ts';

const folder = fileURLToPath(new URL('../../models/consort-typescript', import.meta.url));
const source = readFileSync(new URL('../support/source.txt', import.meta.url));
const never = new AbortController().signal;

function contextAt(at: number, documentId: string): TextContext {
  const suffix = source.subarray(at + 30, at + 200);
  return { documentId, languageId: 'typescript', prefix: source.subarray(0, at), suffix };
}

/** A member that says nothing of worth, and proposes this text byte after byte, right or wrong. */
function proposing(text: Uint8Array): MemberStream {
  let nRead = 0;
  const stream = toyStream(says(''), { recent: new Array(120).fill(-9) });
  stream.distribution.fill(1 / stream.distribution.length);
  return {
    ...stream,
    advance: () => void nRead++,
    foreseen: () => text.subarray(nRead),
  };
}

/** Completes with the member and a proposer of `draft`; null for none. */
async function completeWith(
  member: Member,
  context: TextContext,
  draft: Uint8Array | null,
  options: DraftingOptions = draftingDefaults,
): Promise<{ completion: Completion; passes: number }> {
  const stream = await member.open(context, never);
  const opened = stream.forwardPasses;
  try {
    const completion = await complete({
      context,
      streams: [stream, proposing(draft ?? new Uint8Array())],
      members: [member, { id: 'proposer', kind: 'ngram' }],
      policy: new Hedge(2),
      combiner: 'linear',
      maximumBytes: 40,
      minimumProbability: 0,
      drafting: draft && options,
      signal: never,
    });
    return { completion: { ...completion, policyMs: 0 }, passes: stream.forwardPasses - opened };
  } finally {
    stream.release();
  }
}

/** What may have happened before a completion. */
const events = fc.array(
  fc.oneof(
    fc.record({ kind: fc.constantFrom('read', 'complete'), at: fc.integer({ min: 1, max: 700 }) }),
    fc.record({ kind: fc.constant('cancel'), at: fc.integer({ min: 1, max: 700 }) }),
  ),
  { maxLength: 4 },
);

async function replay(
  member: Member,
  history: readonly { kind: string; at: number }[],
  documentId: string,
): Promise<void> {
  for (const { kind, at } of history) {
    const context = contextAt(at, documentId);
    if (kind === 'complete') await completeWith(member, context, source.subarray(at, at + 40));
    if (kind === 'read') (await member.open(context, never)).release();
    if (kind !== 'cancel') continue;
    const controller = new AbortController();
    const opening = member.open(context, controller.signal);
    setImmediate(() => controller.abort());
    await opening.then((stream) => stream.release()).catch(() => {});
  }
}

/** The same text, whatever was proposed, whatever was read before, and in whichever pieces. */
function check(
  member: (prefillTokens?: number) => Member,
  nRuns: number,
  compare: (a: Completion, b: Completion) => void,
) {
  let n = 0;
  return fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 20, max: 700 }),
      events,
      fc.nat(40),
      fc.uint8Array({ maxLength: 20 }),
      fc.constantFrom(1, 3, 8, 17, 64),
      async (at, history, nTrue, noise, prefillTokens) => {
        const other = member(prefillTokens);
        const plain = await completeWith(member(), contextAt(at, `plain ${n}`), null);
        const truth = Buffer.from(plain.completion.text).subarray(0, nTrue);
        const documentId = `drafted ${n++}`;
        await replay(other, history, documentId);
        const drafted = await completeWith(other, contextAt(at, documentId), Buffer.concat([truth, noise]), {
          ...draftingDefaults,
          shortest: 1,
        });
        compare(plain.completion, drafted.completion);
      },
    ),
    { numRuns: nRuns, seed: 4 },
  );
}

describe('over a toy decoder, to the last bit of it', () => {
  const members = new Map(
    [1, 3, 8, 17, 64].map((prefillTokens) => [prefillTokens, toyNeuralMember({ prefillTokens })]),
  );
  const member = toyNeuralMember();

  test('the text depends neither on drafts, nor on what was read, rolled back or cancelled before', () =>
    check(
      (prefillTokens) => members.get(prefillTokens ?? 0) ?? member,
      25,
      (plain, drafted) => expect(drafted).toEqual(plain),
    ));

  test('a draft that comes true saves forward passes', async () => {
    let saved = 0;
    let spent = 0;
    for (let at = 100; at < 700; at += 100) {
      const plain = await completeWith(member, contextAt(at, `a${at}`), null);
      const truth = Buffer.from(plain.completion.text);
      const drafted = await completeWith(member, contextAt(at, `b${at}`), truth);
      expect(drafted.completion).toEqual(plain.completion);
      saved += plain.passes - drafted.passes;
      spent += plain.passes;
    }
    expect(saved).toBeGreaterThan(0.3 * spent);
  });
});

describe('over a bundled member', () => {
  let member: NeuralMember;
  beforeAll(async () => {
    const { manifest, problem } = await loadMemberManifest(folder);
    if (!manifest) throw problem;
    member = await openNeuralMember(folder, manifest);
  });
  afterAll(() => member.close());

  test('the text is the same', () =>
    check(
      () => member,
      5,
      (plain, drafted) => expect(drafted.text).toBe(plain.text),
    ));
});
