/** Exponential moving means, one per member, over about the last bytes; exact means while there are few (as in Adam). */
export class MovingMean {
  readonly #decay: number;
  readonly #sum: Float64Array;
  readonly #weight: Float64Array;

  /** @param nBytes the newest of them counts 2 ÷ (nBytes + 1) */
  constructor(nMembers: number, nBytes: number) {
    this.#decay = 1 - 2 / (nBytes + 1);
    this.#sum = new Float64Array(nMembers);
    this.#weight = new Float64Array(nMembers);
  }

  clear(): void {
    this.#sum.fill(0);
    this.#weight.fill(0);
  }

  push(memberIdx: number, value: number): void {
    this.#sum[memberIdx] = this.#decay * this.#sum[memberIdx] + value;
    this.#weight[memberIdx] = this.#decay * this.#weight[memberIdx] + 1;
  }

  /** 0 before the first value. */
  mean(memberIdx: number): number {
    const weight = this.#weight[memberIdx];
    return weight > 0 ? this.#sum[memberIdx] / weight : 0;
  }
}
