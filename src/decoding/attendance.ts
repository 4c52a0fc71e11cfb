import type { MemberStream } from '../lm/member.ts';

/**
 * Who is asked during a step. A member whose weight at a step's start is under `skipBelow` is left out of the step
 * and reads nothing; when its weight returns it catches up in one batch. Let s be the weight left out: the linear
 * mixture p = (1 − s) p′ + s r becomes p′, so the step's distribution moves by at most s in total variation.
 */
export class Attendance {
  readonly #streams: readonly MemberStream[];
  readonly #skipBelow: number;
  readonly #text: Uint8Array;
  #length = 0;
  /** Per member: how much of the text it has read. */
  readonly #nRead: Int32Array;
  /** Per member: whether it reads along; and whether the next step counts it in. */
  readonly #attends: Uint8Array;
  readonly #isWanted: Uint8Array;

  /** @param skipBelow a part of the sum of the weights, or 0: nobody is left out */
  constructor(streams: readonly MemberStream[], maximumBytes: number, skipBelow: number) {
    this.#streams = streams;
    this.#skipBelow = skipBelow;
    this.#text = new Uint8Array(maximumBytes);
    this.#nRead = new Int32Array(streams.length);
    this.#attends = new Uint8Array(streams.length).fill(1);
    this.#isWanted = new Uint8Array(streams.length).fill(1);
  }

  /** The streams that stand at the end of the text and read on. */
  get attending(): readonly MemberStream[] {
    return this.#streams.filter((_, i) => this.#attends[i] && this.#nRead[i] === this.#length);
  }

  /** Writes for each member how many bytes of the text it has not read. */
  lag(out: Int32Array): void {
    for (let i = 0; i < out.length; i++) out[i] = this.#length - this.#nRead[i];
  }

  /** Takes the weights of a step that may come, and sets those of members that it leaves out to 0. */
  admit(weights: Float64Array): void {
    if (this.#skipBelow <= 0) return;
    let sum = 0;
    for (const weight of weights) sum += weight;
    const least = Math.min(this.#skipBelow * sum, Math.max(...weights));
    for (let i = 0; i < weights.length; i++) {
      this.#isWanted[i] = weights[i] >= least ? 1 : 0;
      if (!this.#isWanted[i]) weights[i] = 0;
      // Once wanted, it reads along until a step begins without it.
      else this.#attends[i] = 1;
    }
  }

  /** The step that was admitted last has begun. */
  beginStep(): void {
    this.#attends.set(this.#isWanted);
  }

  /** Lets those who are wanted again read what they have missed. Nothing where nobody lags. */
  catchUp(): Promise<unknown> | undefined {
    let reading: Promise<void>[] | undefined;
    for (let i = 0; i < this.#streams.length; i++) {
      if (!this.#attends[i] || this.#nRead[i] === this.#length) continue;
      reading ??= [];
      reading.push(this.#readMissed(i));
    }
    return reading && Promise.all(reading);
  }

  /** The text goes on with this byte. */
  advance(byte: number): Promise<unknown> | undefined {
    let reading: Promise<void>[] | undefined;
    this.#text[this.#length++] = byte;
    // The workspace member stands last and answers at once, unless those in a forward pass have taken all cores.
    for (let i = this.#streams.length - 1; i >= 0; i--) {
      if (!this.#attends[i] || this.#nRead[i] < this.#length - 1) continue;
      this.#nRead[i]++;
      const answer = this.#streams[i].advance(byte);
      if (answer === undefined) continue;
      reading ??= [];
      reading.push(answer);
    }
    return reading && Promise.all(reading);
  }

  async #readMissed(i: number): Promise<void> {
    const missed = this.#text.subarray(this.#nRead[i], this.#length);
    this.#nRead[i] = this.#length;
    await this.#streams[i].expect?.(missed);
    for (const byte of missed) await this.#streams[i].advance(byte);
  }
}
