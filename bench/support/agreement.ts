import type { Member, MemberStream, TextContext } from '../../src/lm/member.ts';
import { SYMBOLS } from '../../src/lm/symbols.ts';

/** How alike two readings of the same bytes are. */
export interface Agreement {
  readonly bytes: number;
  /** Part of the bytes where both hold the same symbol the most probable. */
  readonly sameGreedy: number;
  /** Total variation, on average over the bytes and at most. */
  readonly meanVariation: number;
  readonly maximumVariation: number;
}

export interface Passage {
  readonly context: TextContext;
  /** What follows the cursor. */
  readonly bytes: Uint8Array;
}

/** A way to read: a member, and whether it is told what follows. */
export interface Reading {
  readonly member: Member;
  readonly isDrafted?: boolean;
}

const never = new AbortController().signal;
/** As long as the product's longest drafts. */
const draftBytes = 32;

/** Both read the passages byte by byte; teacher forcing. */
export async function measureAgreement(
  passages: readonly Passage[],
  left: Reading,
  right: Reading,
): Promise<Agreement> {
  let nBytes = 0;
  let nSame = 0;
  let sum = 0;
  let maximum = 0;
  for (const passage of passages) {
    const [a, b] = [await readAll(passage, left), await readAll(passage, right)];
    for (const [i, distribution] of a.entries()) {
      const variation = totalVariation(distribution, b[i]);
      nBytes++;
      nSame += mostProbable(distribution) === mostProbable(b[i]) ? 1 : 0;
      sum += variation;
      maximum = Math.max(maximum, variation);
    }
  }
  return {
    bytes: nBytes,
    sameGreedy: nSame / nBytes,
    meanVariation: sum / nBytes,
    maximumVariation: maximum,
  };
}

/** The distribution before each byte and after the last. The readings share nothing that was read before. */
async function readAll({ context, bytes }: Passage, { member, isDrafted }: Reading): Promise<Float64Array[]> {
  const documentId = `${context.documentId} ${isDrafted ? 'drafted' : 'plain'}`;
  const stream: MemberStream = await member.open({ ...context, documentId }, never);
  try {
    const seen = [stream.distribution.slice()];
    for (const [i, byte] of bytes.entries()) {
      if (isDrafted && i % draftBytes === 0) await stream.expect?.(bytes.subarray(i, i + draftBytes));
      await stream.advance(byte);
      seen.push(stream.distribution.slice());
    }
    return seen;
  } finally {
    stream.release();
  }
}

export function totalVariation(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < SYMBOLS; i++) sum += Math.abs(a[i] - b[i]);
  return sum / 2;
}

function mostProbable(distribution: Float64Array): number {
  return distribution.indexOf(Math.max(...distribution));
}
