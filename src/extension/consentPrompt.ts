/** What the person has said so far. */
export interface ConsentMemory {
  /** Never, in any workspace. */
  readonly never: boolean;
  /** In this workspace. */
  readonly asked: boolean;
}

export type ConsentAnswer = 'yes' | 'no' | 'never' | 'dismissed';

export interface ConsentPrompt {
  /** A completion was accepted. */
  accepted(): void;
}

/** Only who has seen what completions are good for can say whether they may be learned from. */
const nAcceptedFirst = 5;

/**
 * Asks once whether this workspace may be learned from, after some completions were accepted. A question that is closed
 * without an answer is not asked again in this workspace either; the palette has the command.
 */
export function createConsentPrompt(options: {
  /** Whether learning is possible here and not on yet. */
  readonly isOff: () => boolean;
  readonly memory: () => ConsentMemory;
  readonly remember: (change: Partial<ConsentMemory>) => Promise<void>;
  readonly ask: () => Promise<ConsentAnswer>;
  readonly agree: () => Promise<void>;
}): ConsentPrompt {
  let nAccepted = 0;
  let hasAsked = false;

  return {
    accepted() {
      nAccepted++;
      if (nAccepted < nAcceptedFirst || hasAsked || !options.isOff()) return;
      const { never, asked } = options.memory();
      if (never || asked) return;
      hasAsked = true;
      void question();
    },
  };

  async function question(): Promise<void> {
    await options.remember({ asked: true });
    const answer = await options.ask();
    if (answer === 'yes') await options.agree();
    if (answer === 'never') await options.remember({ never: true });
  }
}
