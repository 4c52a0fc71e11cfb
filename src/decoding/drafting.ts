import type { MemberStream } from '../lm/member.ts';

export interface DraftingOptions {
  /** A draft is as long as its member gives all of it at least this probability. */
  readonly leastProbability: number;
  /** In bytes. */
  readonly firstLength: number;
  readonly shortest: number;
  readonly longest: number;
  /** A draft pays when at least this many of its bytes are emitted, averaged over the last drafts. */
  readonly payingBytes: number;
  /** The weight of the newest draft in that average. */
  readonly averageRate: number;
  /** Steps without a draft after drafts that did not pay. */
  readonly restingSteps: number;
}

export const draftingDefaults: DraftingOptions = {
  leastProbability: 0.3,
  firstLength: 16,
  shortest: 6,
  longest: 32,
  payingBytes: 4,
  averageRate: 0.4,
  restingSteps: 4,
};

/**
 * One member looks ahead, the others read what it proposes in one batch: where the ensemble then says just that, it
 * costs them nothing more. The length doubles with a draft that came true and falls to what came true of one that
 * did not; where drafts do not pay there are none for a while. It depends on the text alone, never on time.
 */
export class Drafting {
  readonly #options: DraftingOptions;
  #draft: Uint8Array = NOTHING;
  /** How many bytes of the draft have come true. */
  #nEmitted = 0;
  #length: number;
  #average: number;
  #nResting = 0;

  constructor(options: DraftingOptions) {
    this.#options = options;
    this.#length = options.firstLength;
    this.#average = 2 * options.payingBytes;
  }

  /** At a step's start: lets these streams read a new draft, if there is a likely one and none is under way. */
  propose(streams: readonly MemberStream[]): Promise<unknown> | undefined {
    if (this.#draft.length > 0 || this.#nResting-- > 0) return undefined;
    const proposer = this.#chooseProposer(streams);
    if (!proposer) return undefined;
    this.#draft = proposer.draft;
    this.#nEmitted = 0;
    const readings = streams.map((stream) =>
      stream === proposer.stream ? undefined : stream.expect?.(proposer.draft),
    );
    return readings.some((reading) => reading !== undefined) ? Promise.all(readings) : undefined;
  }

  /** The ensemble has emitted this byte. */
  observe(byte: number): void {
    if (this.#draft.length === 0) return;
    if (this.#draft[this.#nEmitted] !== byte) this.#conclude();
    else if (++this.#nEmitted === this.#draft.length) this.#conclude();
  }

  /** The stream that sees furthest ahead. */
  #chooseProposer(
    streams: readonly MemberStream[],
  ): { readonly stream: MemberStream; readonly draft: Uint8Array } | undefined {
    let best: { readonly stream: MemberStream; readonly draft: Uint8Array } | undefined;
    for (const stream of streams) {
      const foreseen = stream.foreseen?.(this.#options.leastProbability);
      if (!foreseen || foreseen.length < this.#options.shortest) continue;
      const draft = foreseen.subarray(0, this.#length);
      if (!best || draft.length > best.draft.length) best = { stream, draft };
    }
    return best;
  }

  #conclude(): void {
    const { shortest, longest, payingBytes, averageRate, restingSteps } = this.#options;
    const isTrue = this.#nEmitted === this.#draft.length;
    const wanted = isTrue ? 2 * this.#length : this.#nEmitted;
    this.#length = Math.min(longest, Math.max(shortest, wanted));
    this.#average += averageRate * (this.#nEmitted - this.#average);
    if (this.#average < payingBytes) {
      this.#nResting = restingSteps;
      this.#average = payingBytes;
    }
    this.#draft = NOTHING;
  }
}

const NOTHING = new Uint8Array(0);
