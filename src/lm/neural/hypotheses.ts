import type { TokenReader } from './tokenReader.ts';

/**
 * The tokenisations that a frontier follows: per hypothesis a path of tokens, and residual bytes inside the next.
 * Fields side by side, so that following a byte allocates nothing.
 */
export class Hypotheses {
  count = 0;
  /** The last token of the path, held. */
  node = new Int32Array(INITIAL);
  /** The trie node of the residual bytes. */
  residual = new Int32Array(INITIAL);
  /** The path's probability over the total of `sums`. */
  weight = new Float64Array(INITIAL);
  /** Probability of all that the hypothesis stands for; less the fork once it has forked. */
  mass = new Float64Array(INITIAL);
  /** What follows the node. */
  readonly sums: Float64Array[] = [];
  readonly #reader: TokenReader;

  constructor(reader: TokenReader) {
    this.#reader = reader;
  }

  /** The first of those with the most mass, and with the least; 0 where there is none. */
  get heaviest(): number {
    let best = 0;
    for (let i = 1; i < this.count; i++) if (this.mass[i] > this.mass[best]) best = i;
    return best;
  }

  get lightest(): number {
    let lightest = 0;
    for (let i = 1; i < this.count; i++) if (this.mass[i] < this.mass[lightest]) lightest = i;
    return lightest;
  }

  /** Part of the mass that has no residual bytes: it stands between two tokens. 0 where there is no mass. */
  get boundaryShare(): number {
    let atBoundary = 0;
    let all = 0;
    for (let i = 0; i < this.count; i++) {
      all += this.mass[i];
      if (this.residual[i] === 0) atBoundary += this.mass[i];
    }
    return all > 0 ? atBoundary / all : 0;
  }

  /** A new hypothesis; the node's hold is now ours. */
  push(node: number, residual: number, pathMass: number): void {
    if (this.count === this.node.length) this.#grow();
    const { vocabulary } = this.#reader;
    const sums = this.sumsOf(node);
    const total = sums[vocabulary.size + 2];
    const at = this.count++;
    this.node[at] = node;
    this.residual[at] = residual;
    this.sums[at] = sums;
    this.weight[at] = pathMass / total;
    this.mass[at] = residual === 0 ? pathMass : (pathMass * vocabulary.mass(sums, residual)) / total;
  }

  /** Lets go of one; the last takes its place. */
  drop(at: number): void {
    this.#reader.release(this.node[at]);
    this.move(--this.count, at);
  }

  move(from: number, to: number): void {
    if (from === to) return;
    this.node[to] = this.node[from];
    this.residual[to] = this.residual[from];
    this.weight[to] = this.weight[from];
    this.mass[to] = this.mass[from];
    this.sums[to] = this.sums[from];
  }

  /** Keeps those that have mass left, with the residuals and masses given for each; lets go of the others. */
  keep(residual: Int32Array, mass: Float64Array): void {
    let kept = 0;
    for (let i = 0; i < this.count; i++) {
      if (mass[i] > 0) {
        this.move(i, kept);
        this.residual[kept] = residual[i];
        this.mass[kept++] = mass[i];
      } else this.#reader.release(this.node[i]);
    }
    this.count = kept;
  }

  clear(): void {
    for (let i = 0; i < this.count; i++) this.#reader.release(this.node[i]);
    this.count = 0;
  }

  copyFrom(other: Hypotheses): void {
    this.clear();
    for (let i = 0; i < other.count; i++) {
      this.#reader.hold(other.node[i]);
      this.push(other.node[i], other.residual[i], 0);
      this.weight[i] = other.weight[i];
      this.mass[i] = other.mass[i];
    }
  }

  /** The sums of a node that must have been kept. */
  sumsOf(node: number): Float64Array {
    const sums = this.#reader.sums(node);
    if (!sums) throw new Error(`The distribution after node ${node} has not been kept.`);
    return sums;
  }

  #grow(): void {
    const size = 2 * this.node.length;
    this.node = longer(this.node, new Int32Array(size));
    this.residual = longer(this.residual, new Int32Array(size));
    this.weight = longer(this.weight, new Float64Array(size));
    this.mass = longer(this.mass, new Float64Array(size));
  }
}

/** Where tokens can end at the byte at hand: which hypothesis forks, with which mass; heaviest first. */
export class ForkList {
  count = 0;
  of = new Int32Array(INITIAL);
  mass = new Float64Array(INITIAL);

  /** Begins anew, with room for so many. */
  clear(room: number): void {
    this.count = 0;
    if (this.of.length >= room) return;
    this.of = new Int32Array(2 * room);
    this.mass = new Float64Array(2 * room);
  }

  insert(of: number, mass: number): void {
    let at = this.count++;
    for (; at > 0 && this.mass[at - 1] < mass; at--) {
      this.of[at] = this.of[at - 1];
      this.mass[at] = this.mass[at - 1];
    }
    this.of[at] = of;
    this.mass[at] = mass;
  }
}

function longer<T extends Int32Array | Float64Array>(old: T, larger: T): T {
  larger.set(old);
  return larger;
}

const INITIAL = 16;
