import { SYMBOLS } from '../symbols.ts';
import { ByteBigrams } from './byteBigrams.ts';
import { REQUIRED } from './decoder.ts';
import { type LateFork, PendingForks } from './pendingForks.ts';
import { afterBatch, TokenBatch, type TokenReader } from './tokenReader.ts';

export interface FrontierOptions {
  /** K: the most tokenisations that are followed at once. Infinity, with threshold 0, is exact. */
  readonly hypotheses: number;
  /** A fork is paid with a forward pass if its share of the probability is above this; else it waits. */
  readonly threshold: number;
}

export const defaultFrontierOptions: FrontierOptions = { hypotheses: 4, threshold: 0.1 };

/**
 * A token-level model read byte by byte: the tokenisations that are consistent with the bytes so far. Each
 * hypothesis is a path of tokens that have been read and residual bytes inside a token that is not complete,
 * weighted by the probability of its path. Where a token can end and longer tokens also go on, a hypothesis
 * forks: the ended token must be read (a forward pass) before what follows it is known. Forks too light to pay
 * for wait with their mass and are read late if they turn out to be the right ones.
 */
export class Frontier {
  /** The distribution over the next symbol. */
  readonly distribution = new Float64Array(SYMBOLS);
  readonly #reader: TokenReader;
  readonly #options: FrontierOptions;
  readonly #batch = new TokenBatch();
  readonly #pending: PendingForks;
  /** The bytes since `start`. */
  #text = new Uint8Array(256);
  #length = 0;
  /** Probability that is on no hypothesis: spread evenly over the symbols. */
  #flat = FLOOR;

  // The hypotheses.
  #count = 0;
  /** The last token of the path, held. */
  #node = new Int32Array(INITIAL);
  /** The trie node of the residual bytes. */
  #residual = new Int32Array(INITIAL);
  /** The path's probability over the total of `sums`. */
  #weight = new Float64Array(INITIAL);
  /** Probability of all that the hypothesis stands for; less the fork once it has forked. */
  #mass = new Float64Array(INITIAL);
  readonly #sums: Float64Array[] = [];
  /** Where each would stand after the byte at hand, and with which mass. */
  #next = new Int32Array(INITIAL);
  #nextMass = new Float64Array(INITIAL);
  /** What is left when no hypothesis goes on and none waits. */
  #fallback: LateFork | undefined;

  // The forks of the byte at hand: which hypothesis, with which mass.
  #nForks = 0;
  #forkOf = new Int32Array(INITIAL);
  #forkMass = new Float64Array(INITIAL);

  /** @param bigrams the guess for what has not been read */
  constructor(
    reader: TokenReader,
    options: FrontierOptions = defaultFrontierOptions,
    bigrams = new ByteBigrams(),
  ) {
    this.#reader = reader;
    this.#options = options;
    this.#pending = new PendingForks(reader, bigrams);
  }

  /** How many tokenisations are followed. */
  get nHypotheses(): number {
    return this.#count;
  }

  /** Begins after a node whose sums are kept, at a token boundary. */
  start(node: number): void {
    this.#reader.hold(node);
    this.clear();
    this.#push(node, 0, 1);
    this.#fill();
  }

  /** Lets go of everything held. */
  clear(): void {
    for (let i = 0; i < this.#count; i++) this.#reader.release(this.#node[i]);
    this.#count = 0;
    this.#pending.clear();
    this.#length = 0;
    this.#flat = FLOOR;
  }

  /** Becomes a copy of another frontier over the same reader. */
  copyFrom(other: Frontier): void {
    this.clear();
    for (let i = 0; i < other.#count; i++) {
      this.#reader.hold(other.#node[i]);
      this.#push(other.#node[i], other.#residual[i], 0);
      this.#weight[i] = other.#weight[i];
      this.#mass[i] = other.#mass[i];
    }
    this.#pending.copyFrom(other.#pending);
    if (this.#text.length < other.#length) this.#text = new Uint8Array(other.#text.length);
    this.#text.set(other.#text.subarray(0, other.#length));
    this.#length = other.#length;
    this.#flat = other.#flat;
    this.distribution.set(other.distribution);
  }

  /** The most probable symbol. */
  get mostProbable(): number {
    const { distribution } = this;
    let best = 0;
    for (let i = 1; i < SYMBOLS; i++) if (distribution[i] > distribution[best]) best = i;
    return best;
  }

  /** The text goes on with this byte. Returns nothing where no forward pass was needed. */
  advance(byte: number): Promise<void> | undefined {
    this.#record(byte);
    const total = this.#narrow(byte);
    if (this.#fallback || this.#isLate(total)) return this.#advanceLate(total);
    this.#rescale(total);
    return this.#fork();
  }

  /** As `advance`, but only where that needs no forward pass; else returns false and is empty. */
  tryAdvance(byte: number): boolean {
    this.#record(byte);
    const total = this.#narrow(byte);
    if (this.#fallback) this.#reader.release(this.#fallback.node);
    let isKnown = !this.#fallback && !this.#isLate(total);
    this.#fallback = undefined;
    if (isKnown) {
      this.#rescale(total);
      this.#chooseForks();
      isKnown = this.#reader.knows(this.#batch);
    }
    if (!isKnown) {
      this.clear();
      return false;
    }
    this.#reader.read(this.#batch);
    this.#conclude();
    return true;
  }

  /** The unlikely happened: what goes on with this byte has yet to be read. */
  async #advanceLate(narrowed: number): Promise<void> {
    const fallback = this.#fallback;
    this.#fallback = undefined;
    let total = narrowed;
    while (this.#isLate(total)) {
      const late = this.#pending.take();
      if (late) total += await this.#wake(late);
    }
    if (fallback && total === 0) total = await this.#wake(fallback);
    else if (fallback) this.#reader.release(fallback.node);
    this.#rescale(total);
    await this.#fork();
  }

  /** Does a fork that waits seem to weigh too much to go on waiting? */
  #isLate(total: number): boolean {
    return this.#pending.heaviest > LATE * total;
  }

  #record(byte: number): void {
    if (this.#length === this.#text.length) {
      const longer = new Uint8Array(2 * this.#length);
      longer.set(this.#text);
      this.#text = longer;
    }
    this.#text[this.#length++] = byte;
  }

  /** Keeps the hypotheses that go on with the byte; returns their mass. */
  #narrow(byte: number): number {
    const { vocabulary } = this.#reader;
    this.#flat /= SYMBOLS;
    this.#pending.narrow(byte, this.#length);
    let total = 0;
    let kept = 0;
    let heaviest = 0;
    for (let i = 0; i < this.#count; i++) {
      const next = vocabulary.child(this.#residual[i], byte);
      const mass = next < 0 ? 0 : this.#weight[i] * vocabulary.mass(this.#sums[i], next);
      this.#next[i] = next;
      this.#nextMass[i] = mass;
      total += mass;
      if (this.#mass[i] > this.#mass[heaviest]) heaviest = i;
    }
    if (total === 0 && this.#count > 0) {
      // No token goes on like this: the residual bytes of the best hypothesis were tokens by themselves.
      const end = this.#length - 1 - vocabulary.depth(this.#residual[heaviest]);
      this.#fallback = { node: this.#node[heaviest], token: -1, mass: 1, end };
      this.#reader.hold(this.#node[heaviest]);
    }
    for (let i = 0; i < this.#count; i++) {
      if (this.#nextMass[i] > 0) {
        this.#move(i, kept);
        this.#residual[kept] = this.#next[i];
        this.#mass[kept++] = this.#nextMass[i];
      } else this.#reader.release(this.#node[i]);
    }
    this.#count = kept;
    return total;
  }

  /** Makes all masses sum to 1, given that of the hypotheses. */
  #rescale(total: number): void {
    const factor = 1 / (total + this.#pending.guessed + this.#flat);
    for (let i = 0; i < this.#count; i++) {
      this.#weight[i] *= factor;
      this.#mass[i] *= factor;
    }
    this.#flat = Math.max(FLOOR, this.#flat * factor + this.#pending.rescale(factor));
  }

  /** Where a token can end here: the forks worth a forward pass are read, the others wait. */
  #fork(): Promise<void> | undefined {
    this.#chooseForks();
    const wait = this.#reader.read(this.#batch);
    if (wait) return wait.then(() => this.#conclude());
    this.#conclude();
    return undefined;
  }

  #chooseForks(): void {
    const { vocabulary } = this.#reader;
    this.#batch.clear();
    this.#nForks = 0;
    let nLonger = 0;
    for (let i = 0; i < this.#count; i++) {
      const mass = this.#weight[i] * vocabulary.exactMass(this.#sums[i], this.#residual[i]);
      const ends = vocabulary.childCount[this.#residual[i]] === 0;
      this.#mass[i] = ends ? 0 : Math.max(0, this.#mass[i] - mass);
      if (this.#mass[i] > 0) nLonger++;
      if (mass > 0) this.#insertFork(i, mass);
    }
    for (let i = 0; i < this.#nForks; i++) {
      const of = this.#forkOf[i];
      const mass = this.#forkMass[i];
      const token = vocabulary.token[this.#residual[of]];
      const worthIt = mass > this.#options.threshold && this.#nHeavier(mass) + i < this.#options.hypotheses;
      if (worthIt || (i === 0 && nLonger === 0)) this.#batch.add(this.#node[of], token, REQUIRED);
      else this.#flat += this.#pending.add(this.#node[of], token, mass, this.#length);
    }
  }

  /** The forks that were read become hypotheses. */
  #conclude(): void {
    for (let i = 0; i < this.#batch.count; i++) this.#push(this.#batch.nodes[i], 0, this.#forkMass[i]);
    this.#prune();
    this.#fill();
  }

  /** Heaviest first. */
  #insertFork(of: number, mass: number): void {
    let at = this.#nForks++;
    for (; at > 0 && this.#forkMass[at - 1] < mass; at--) {
      this.#forkOf[at] = this.#forkOf[at - 1];
      this.#forkMass[at] = this.#forkMass[at - 1];
    }
    this.#forkOf[at] = of;
    this.#forkMass[at] = mass;
  }

  #nHeavier(mass: number): number {
    let n = 0;
    for (let i = 0; i < this.#count; i++) if (this.#mass[i] > mass) n++;
    return n;
  }

  /** Reads a waiting fork and the tokens that have ended since; returns the hypothesis's mass. */
  async #wake({ node, token, mass, end }: LateFork): Promise<number> {
    const { vocabulary } = this.#reader;
    const batch = this.#batch;
    batch.clear();
    if (token >= 0) batch.add(node, token, REQUIRED);
    let at = end;
    let residual = vocabulary.walk(this.#text, at, this.#length);
    for (; residual < 0; residual = vocabulary.walk(this.#text, at, this.#length)) {
      const longest = vocabulary.longestToken(this.#text, at, this.#length);
      if (longest === 0) break;
      batch.add(batch.count === 0 ? node : afterBatch(batch.count - 1), vocabulary.token[longest], REQUIRED);
      at += vocabulary.depth(longest);
    }
    if (residual < 0) {
      this.#reader.release(node);
      return 0;
    }
    const { count } = batch;
    await this.#reader.read(batch);
    this.#reader.release(node);
    let pathMass = mass;
    for (let i = 1; i < count; i++) {
      const sums = this.#sumsOf(batch.nodes[i - 1]);
      const tokenMass = vocabulary.exactMass(sums, vocabulary.nodeOfToken[batch.tokens[i]]);
      pathMass *= tokenMass / sums[vocabulary.size + 2];
      this.#reader.release(batch.nodes[i - 1]);
    }
    this.#push(batch.nodes[count - 1], residual, pathMass);
    return this.#mass[this.#count - 1];
  }

  /** A new hypothesis; its node's hold is ours. */
  #push(node: number, residual: number, pathMass: number): void {
    if (this.#count === this.#node.length) this.#grow();
    const { vocabulary } = this.#reader;
    const sums = this.#sumsOf(node);
    const total = sums[vocabulary.size + 2];
    const at = this.#count++;
    this.#node[at] = node;
    this.#residual[at] = residual;
    this.#sums[at] = sums;
    this.#weight[at] = pathMass / total;
    this.#mass[at] = residual === 0 ? pathMass : (pathMass * vocabulary.mass(sums, residual)) / total;
  }

  /** Drops the hypotheses whose tokens have all ended, and the lightest where there are more than K. */
  #prune(): void {
    for (let i = this.#count - 1; i >= 0; i--) if (this.#mass[i] === 0) this.#drop(i);
    while (this.#count > this.#options.hypotheses) {
      let lightest = 0;
      for (let i = 1; i < this.#count; i++) if (this.#mass[i] < this.#mass[lightest]) lightest = i;
      this.#flat += this.#mass[lightest];
      this.#drop(lightest);
    }
  }

  #drop(at: number): void {
    this.#reader.release(this.#node[at]);
    this.#move(--this.#count, at);
  }

  #move(from: number, to: number): void {
    if (from === to) return;
    this.#node[to] = this.#node[from];
    this.#residual[to] = this.#residual[from];
    this.#weight[to] = this.#weight[from];
    this.#mass[to] = this.#mass[from];
    this.#sums[to] = this.#sums[from];
  }

  /** What has been read tells the next byte; for what waits it is guessed. */
  #fill(): void {
    const { vocabulary } = this.#reader;
    const out = this.distribution;
    out.fill(this.#flat / SYMBOLS);
    this.#pending.addNext(this.#length, out);
    for (let i = 0; i < this.#count; i++) {
      vocabulary.addNext(this.#sums[i], this.#residual[i], this.#weight[i], out);
    }
    let total = 0;
    for (let i = 0; i < SYMBOLS; i++) total += out[i];
    const factor = 1 / total;
    for (let i = 0; i < SYMBOLS; i++) out[i] *= factor;
  }

  #sumsOf(node: number): Float64Array {
    const sums = this.#reader.sums(node);
    if (!sums) throw new Error(`The distribution after node ${node} has not been kept.`);
    return sums;
  }

  #grow(): void {
    const size = 2 * this.#node.length;
    const integers = (old: Int32Array) => {
      const larger = new Int32Array(size);
      larger.set(old);
      return larger;
    };
    const doubles = (old: Float64Array) => {
      const larger = new Float64Array(size);
      larger.set(old);
      return larger;
    };
    this.#node = integers(this.#node);
    this.#residual = integers(this.#residual);
    this.#next = integers(this.#next);
    this.#forkOf = integers(this.#forkOf);
    this.#weight = doubles(this.#weight);
    this.#mass = doubles(this.#mass);
    this.#nextMass = doubles(this.#nextMass);
    this.#forkMass = doubles(this.#forkMass);
  }
}

/** A waiting fork is read when its guessed mass, over that of the hypotheses, is above this. */
const LATE = 1 / 16;
const INITIAL = 16;
/** The least probability that is spread evenly: no symbol is impossible. */
const FLOOR = 1e-11;
