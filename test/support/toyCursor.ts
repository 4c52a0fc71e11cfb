import type { RolloutCursor } from '../../src/training/rollouts.ts';
import type { TrueTextCursor } from '../../src/training/stepReader.ts';
import { type ToyModel, toyStream } from './toyStream.ts';

export interface ToyCursorOptions {
  readonly target: string;
  /** By the member's id; one that begins with "ngram" is one. */
  readonly models: Readonly<Record<string, ToyModel>>;
  readonly prefix?: string;
  readonly suffix?: string;
  /** Per member: ln p of the last bytes before the cursor. */
  readonly recent?: readonly (readonly number[])[];
}

/** A cursor with members that follow rules, as if their answers had been collected. */
export function toyCursor(options: ToyCursorOptions): TrueTextCursor & RolloutCursor {
  const { target, models, prefix = 'let x = ', suffix = '\n', recent = [] } = options;
  const encode = (text: string) => new TextEncoder().encode(text);
  const streams = () =>
    Object.values(models).map((model, i) =>
      Object.assign(toyStream(model, { recent: recent[i] ?? [] }), { hasLeft: false }),
    );
  return {
    context: { documentId: 'toy', languageId: 'typescript', prefix: encode(prefix), suffix: encode(suffix) },
    members: Object.keys(models).map((id) => ({ id, kind: id.startsWith('ngram') ? 'ngram' : 'neural' })),
    target,
    streams,
    truePath: Int32Array.from({ length: encode(target).length + 1 }, (_, i) => i),
    distribution(memberIdx, node) {
      const stream = streams()[memberIdx];
      for (const byte of encode(target).subarray(0, node)) stream.advance(byte);
      return Float32Array.from(stream.distribution);
    },
  };
}
