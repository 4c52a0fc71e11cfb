import type { Cursor } from '../evaluation/cursor.ts';
import { judge, type TypistOutcome } from '../evaluation/typist.ts';

/** How the simulated typist is mistaken. */
export interface TypistNoise {
  /** With this probability what is shown is accepted or rejected by a toss of a coin, whatever it is. */
  readonly random: number;
  /** With this probability something wrong is accepted whole, and taken out later. */
  readonly careless: number;
}

export const attentive: TypistNoise = { random: 0, careless: 0 };

/** What the typist does with a text, and what the text deserved. */
export interface Reaction {
  readonly kind: 'accepted' | 'partlyAccepted' | 'rejected';
  /** UTF-16 units. */
  readonly acceptedLength: number;
  /** What of it is still there once the file's own text has been typed. */
  readonly retained: number;
  /** Without the noise: what the figures count. */
  readonly deserved: TypistOutcome;
}

export function react(
  shown: string,
  target: Cursor['target'],
  { random: randomly, careless }: TypistNoise,
  random: () => number,
): Reaction {
  const deserved = judge(shown, target);
  const right = deserved.acceptedCharacters;
  const isRandom = random() < randomly;
  const acceptsAll = isRandom ? random() < 0.5 : right < shown.length && random() < careless;
  const acceptedLength = acceptsAll ? shown.length : isRandom ? 0 : right;
  const kind =
    acceptedLength === 0
      ? 'rejected'
      : acceptedLength < shown.trimEnd().length
        ? 'partlyAccepted'
        : 'accepted';
  return { kind, acceptedLength, retained: Math.min(acceptedLength, right), deserved };
}
