/** What the simulated typist did with one suggestion. */
export interface TypistOutcome {
  readonly accepted: 'whole' | 'part' | 'none';
  /** Characters of the suggestion that were kept. */
  readonly acceptedCharacters: number;
  /** Keys pressed to accept: one for the whole, one for each lexeme of a part. */
  readonly keysPressed: number;
}

/**
 * Accepts a shown line if it equals the target up to trailing white space; otherwise, lexeme by lexeme, the
 * part that is right, if that is one lexeme at least; otherwise rejects.
 */
export function judge(shown: string, target: string): TypistOutcome {
  if (shown.trimEnd() === target.trimEnd()) {
    return { accepted: 'whole', acceptedCharacters: shown.length, keysPressed: 1 };
  }
  let acceptedCharacters = 0;
  let keysPressed = 0;
  const wanted = lexemes(target);
  for (const [lexemeIdx, lexeme] of lexemes(shown).entries()) {
    if (lexeme !== wanted[lexemeIdx]) break;
    acceptedCharacters += lexeme.length;
    keysPressed++;
  }
  return { accepted: keysPressed > 0 ? 'part' : 'none', acceptedCharacters, keysPressed };
}

/** What a completion is worth, in the units of an accepted one. */
export const rewards = {
  /** All of it accepted. */
  accepted: 0.75,
  /** Shown, and none of it accepted. */
  rejected: -0.25,
  /** Added for `fullLength` characters kept or more, and in proportion for fewer. */
  retained: 0.25,
  fullLength: 80,
} as const;

/** What became of one completion, in characters; nothing of a silent one. */
export interface Kept {
  readonly shown: number;
  readonly accepted: number;
  /** At the latest look; null before the first one. */
  readonly retained: number | null;
}

/**
 * What one completion is worth: silent 0; else 0.75 f − 0.25 (1 − f) + 0.25 · min(1, retained characters ÷ 80), where f
 * is the accepted share of its characters. What was accepted and is gone again at the latest look counts as not accepted.
 */
export function rewardOf({ shown, accepted, retained }: Kept): number {
  if (shown === 0) return 0;
  const kept = Math.min(shown, accepted, retained ?? accepted);
  const share = kept / shown;
  const { fullLength } = rewards;
  return (
    rewards.accepted * share +
    rewards.rejected * (1 - share) +
    rewards.retained * Math.min(1, kept / fullLength)
  );
}

/** The same for the simulated typist, who keeps what is right. */
export function simulatedReward(shown: string, target: string): number {
  if (shown === '') return 0;
  const { acceptedCharacters } = judge(shown, target);
  return rewardOf({ shown: shown.length, accepted: acceptedCharacters, retained: acceptedCharacters });
}

/** The lexemes of a text, each with the white space before it. */
export function lexemes(text: string): string[] {
  return text.match(/\s*(?:[\w$\u0080-\uffff]+|[^\w$\s\u0080-\uffff]+)/g) ?? [];
}

/** 1 − edit distance ÷ the longer length; 1 for two empty texts. */
export function editSimilarity(a: string, b: string): number {
  const longer = Math.max(a.length, b.length);
  return longer === 0 ? 1 : 1 - editDistance(a, b) / longer;
}

/** Insertions, deletions and replacements of UTF-16 units that make one text the other (Levenshtein 1966). */
export function editDistance(a: string, b: string): number {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    for (let j = 1; j <= b.length; j++) {
      next[j] = Math.min(row[j] + 1, next[j - 1] + 1, row[j - 1] + (a[i - 1] === b[j - 1] ? 0 : 1));
    }
    row = next;
  }
  return row[b.length];
}
