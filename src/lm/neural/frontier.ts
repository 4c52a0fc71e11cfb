import { BOUNDARY_SHARE, EVIDENCE } from '../evidence.ts';
import { SYMBOLS } from '../symbols.ts';
import { ByteBigrams } from './byteBigrams.ts';
import { REQUIRED } from './decoder.ts';
import { ForkList, Hypotheses } from './hypotheses.ts';
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
  /** EVIDENCE numbers about it. */
  readonly evidence = new Float64Array(EVIDENCE);
  readonly #reader: TokenReader;
  readonly #options: FrontierOptions;
  readonly #batch = new TokenBatch();
  readonly #pending: PendingForks;
  /** The bytes since `start`. */
  #text = new Uint8Array(256);
  #length = 0;
  /** Probability that is on no hypothesis: spread evenly over the symbols. */
  #flat = FLOOR;

  /** The tokenisations that are followed. */
  readonly #paths: Hypotheses;
  /** Where each would stand after the byte at hand, and with which mass. */
  #next = new Int32Array(INITIAL);
  #nextMass = new Float64Array(INITIAL);
  /** What is left when no hypothesis goes on and none waits. */
  #fallback: LateFork | undefined;
  /** Of a byte that waits for a forward pass: the mass that goes on with it, and whether its forks have been chosen. */
  #narrowed = 0;
  #hasForks = false;

  /** The forks of the byte at hand, heaviest first. */
  readonly #forks = new ForkList();

  /** @param bigrams the guess for what has not been read */
  constructor(
    reader: TokenReader,
    options: FrontierOptions = defaultFrontierOptions,
    bigrams = new ByteBigrams(),
  ) {
    this.#reader = reader;
    this.#options = options;
    this.#paths = new Hypotheses(reader);
    this.#pending = new PendingForks(reader, bigrams);
  }

  /** How many tokenisations are followed. */
  get nHypotheses(): number {
    return this.#paths.count;
  }

  /** Begins after a node whose sums are kept, at a token boundary. */
  start(node: number): void {
    this.#reader.hold(node);
    this.clear();
    this.#paths.push(node, 0, 1);
    this.#fill();
  }

  /** Lets go of everything held. */
  clear(): void {
    if (this.#fallback) this.#reader.release(this.#fallback.node);
    this.#fallback = undefined;
    this.#paths.clear();
    this.#pending.clear();
    this.#length = 0;
    this.#flat = FLOOR;
  }

  /** Becomes a copy of another frontier over the same reader. */
  copyFrom(other: Frontier): void {
    this.clear();
    this.#paths.copyFrom(other.#paths);
    this.#pending.copyFrom(other.#pending);
    if (this.#text.length < other.#length) this.#text = new Uint8Array(other.#text.length);
    this.#text.set(other.#text.subarray(0, other.#length));
    this.#length = other.#length;
    this.#flat = other.#flat;
    this.distribution.set(other.distribution);
    this.evidence.set(other.evidence);
  }

  /** The most probable symbol. */
  get mostProbable(): number {
    const { distribution } = this;
    let best = 0;
    for (let i = 1; i < SYMBOLS; i++) if (distribution[i] > distribution[best]) best = i;
    return best;
  }

  /** The heaviest tokenisation: its last token's node and the bytes since. Undefined where there is none. */
  get leader(): { readonly node: number; readonly residual: Uint8Array } | undefined {
    const { count, heaviest, node, residual } = this.#paths;
    if (count === 0) return undefined;
    const length = this.#reader.vocabulary.depth(residual[heaviest]);
    return { node: node[heaviest], residual: this.#text.slice(this.#length - length, this.#length) };
  }

  /** The text goes on with this byte. */
  advance(byte: number): void {
    if (!this.tryAdvance(byte)) this.readOn();
  }

  /**
   * As `advance`, but only where that needs no forward pass; else returns false, and nothing but `readOn`, which takes
   * the pass, `clear` or `copyFrom` may follow.
   */
  tryAdvance(byte: number): boolean {
    this.#record(byte);
    this.#narrowed = this.#narrow(byte);
    this.#hasForks = !this.#fallback && !this.#isLate(this.#narrowed);
    if (!this.#hasForks) return false;
    this.#rescale(this.#narrowed);
    this.#chooseForks();
    if (!this.#reader.knows(this.#batch)) return false;
    this.#reader.read(this.#batch);
    this.#conclude();
    return true;
  }

  /** Takes the byte that `tryAdvance` could not, with a forward pass. */
  readOn(): void {
    if (!this.#hasForks) {
      this.#rescale(this.#wakeLate(this.#narrowed));
      this.#chooseForks();
    }
    this.#reader.read(this.#batch);
    this.#conclude();
  }

  /**
   * As `advance`, but leaves out what has not been read, and adds it to `missing`: what it then says is good for
   * nothing but to find out what reading on will need. Returns false, and is empty, where nothing goes on.
   */
  rehearse(byte: number, missing: TokenBatch): boolean {
    this.#record(byte);
    let total = this.#narrow(byte);
    while (this.#isLate(total)) total += this.#rehearseLate(this.#pending.take(), missing);
    const fallback = this.#fallback;
    this.#fallback = undefined;
    if (total === 0) total = this.#rehearseLate(fallback, missing);
    else if (fallback) this.#reader.release(fallback.node);
    if (total > 0) {
      this.#rescale(total);
      this.#chooseForks();
      this.#leaveOut(missing);
      this.#reader.read(this.#batch);
      this.#conclude();
    }
    if (this.#paths.count > 0) return true;
    this.clear();
    return false;
  }

  /** Moves the forks that have not been read from the batch to `missing`. */
  #leaveOut(missing: TokenBatch): void {
    const { parents, tokens } = this.#batch;
    const nForks = this.#batch.count;
    this.#batch.count = 0;
    for (let i = 0; i < nForks; i++) {
      const at = this.#batch.count;
      this.#batch.add(parents[i], tokens[i], REQUIRED);
      this.#forks.mass[at] = this.#forks.mass[i];
      if (this.#reader.knows(this.#batch, at)) continue;
      this.#batch.count = at;
      missing.add(parents[i], tokens[i], REQUIRED);
    }
  }

  #rehearseLate(late: LateFork | undefined, missing: TokenBatch): number {
    if (!late) return 0;
    this.#batch.clear();
    const residual = this.#addLate(late, this.#batch);
    if (residual >= 0 && this.#reader.knows(this.#batch)) {
      this.#reader.read(this.#batch);
      return this.#pushLate(late, residual);
    }
    if (residual >= 0) this.#addLate(late, missing);
    this.#reader.release(late.node);
    return 0;
  }

  /** The unlikely happened: what goes on with this byte has yet to be read. Returns the hypotheses' mass. */
  #wakeLate(narrowed: number): number {
    const fallback = this.#fallback;
    this.#fallback = undefined;
    let total = narrowed;
    while (this.#isLate(total)) {
      const late = this.#pending.take();
      if (late) total += this.#wake(late);
    }
    if (fallback && total === 0) total = this.#wake(fallback);
    else if (fallback) this.#reader.release(fallback.node);
    return total;
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
    const paths = this.#paths;
    this.#growTo(paths.node.length);
    this.#flat /= SYMBOLS;
    this.#pending.narrow(byte, this.#length);
    let total = 0;
    for (let i = 0; i < paths.count; i++) {
      const next = vocabulary.child(paths.residual[i], byte);
      const mass = next < 0 ? 0 : paths.weight[i] * vocabulary.mass(paths.sums[i], next);
      this.#next[i] = next;
      this.#nextMass[i] = mass;
      total += mass;
    }
    if (total === 0 && paths.count > 0) {
      // No token goes on like this: the residual bytes of the best hypothesis were tokens by themselves.
      const { heaviest } = paths;
      const end = this.#length - 1 - vocabulary.depth(paths.residual[heaviest]);
      this.#fallback = { node: paths.node[heaviest], token: -1, mass: 1, end };
      this.#reader.hold(paths.node[heaviest]);
    }
    paths.keep(this.#next, this.#nextMass);
    return total;
  }

  /** Makes all masses sum to 1, given that of the hypotheses. */
  #rescale(total: number): void {
    // Even odds would outbid the model in text that it finds very unlikely; they are there to exclude nothing.
    const known = total + this.#pending.guessed;
    const flat = known > 0 ? Math.min(this.#flat, MOST_FLAT * known) : 1;
    const factor = 1 / (known + flat);
    for (let i = 0; i < this.#paths.count; i++) {
      this.#paths.weight[i] *= factor;
      this.#paths.mass[i] *= factor;
    }
    this.#flat = Math.max(FLOOR, flat * factor + this.#pending.rescale(factor));
  }

  /** Where a token can end here: the forks worth a forward pass go into the batch, the others wait. */
  #chooseForks(): void {
    const { vocabulary } = this.#reader;
    const paths = this.#paths;
    this.#batch.clear();
    this.#forks.clear(paths.count);
    let nLonger = 0;
    for (let i = 0; i < paths.count; i++) {
      const mass = paths.weight[i] * vocabulary.exactMass(paths.sums[i], paths.residual[i]);
      const ends = vocabulary.childCount[paths.residual[i]] === 0;
      paths.mass[i] = ends ? 0 : Math.max(0, paths.mass[i] - mass);
      if (paths.mass[i] > 0) nLonger++;
      if (mass > 0) this.#forks.insert(i, mass);
    }
    for (let i = 0; i < this.#forks.count; i++) {
      const of = this.#forks.of[i];
      const mass = this.#forks.mass[i];
      const token = vocabulary.token[paths.residual[of]];
      const worthIt = mass > this.#options.threshold && this.#nHeavier(mass) + i < this.#options.hypotheses;
      if (worthIt || (i === 0 && nLonger === 0)) this.#batch.add(paths.node[of], token, REQUIRED);
      else this.#flat += this.#pending.add(paths.node[of], token, mass, this.#length);
    }
  }

  /** The forks that were read become hypotheses. */
  #conclude(): void {
    for (let i = 0; i < this.#batch.count; i++)
      this.#paths.push(this.#batch.nodes[i], 0, this.#forks.mass[i]);
    this.#prune();
    this.#fill();
  }

  #nHeavier(mass: number): number {
    let n = 0;
    for (let i = 0; i < this.#paths.count; i++) if (this.#paths.mass[i] > mass) n++;
    return n;
  }

  /** Reads a waiting fork and the tokens that have ended since; returns the hypothesis's mass. */
  #wake(late: LateFork): number {
    this.#batch.clear();
    const residual = this.#addLate(late, this.#batch);
    if (residual < 0) {
      this.#reader.release(late.node);
      return 0;
    }
    this.#reader.read(this.#batch);
    return this.#pushLate(late, residual);
  }

  /** Adds a waiting fork and the tokens that have ended since; returns the residual of the bytes after them, or -1. */
  #addLate({ node, token, end }: LateFork, batch: TokenBatch): number {
    const { vocabulary } = this.#reader;
    const first = batch.count;
    if (token >= 0) batch.add(node, token, REQUIRED);
    let at = end;
    let residual = vocabulary.walk(this.#text, at, this.#length);
    for (; residual < 0; residual = vocabulary.walk(this.#text, at, this.#length)) {
      const longest = vocabulary.longestToken(this.#text, at, this.#length);
      if (longest === 0) break;
      const parent = batch.count === first ? node : afterBatch(batch.count - 1);
      batch.add(parent, vocabulary.token[longest], REQUIRED);
      at += vocabulary.depth(longest);
    }
    return residual;
  }

  /** A fork that waited, with the tokens since in the batch, becomes a hypothesis; returns its mass. */
  #pushLate({ node, mass }: LateFork, residual: number): number {
    const { vocabulary } = this.#reader;
    const { nodes, tokens, count } = this.#batch;
    this.#reader.release(node);
    let pathMass = mass;
    for (let i = 1; i < count; i++) {
      const sums = this.#paths.sumsOf(nodes[i - 1]);
      const tokenMass = vocabulary.exactMass(sums, vocabulary.nodeOfToken[tokens[i]]);
      pathMass *= tokenMass / sums[vocabulary.size + 2];
      this.#reader.release(nodes[i - 1]);
    }
    this.#paths.push(nodes[count - 1], residual, pathMass);
    return this.#paths.mass[this.#paths.count - 1];
  }

  /** Drops the hypotheses whose tokens have all ended, and the lightest where there are more than K. */
  #prune(): void {
    const paths = this.#paths;
    for (let i = paths.count - 1; i >= 0; i--) if (paths.mass[i] === 0) paths.drop(i);
    while (paths.count > this.#options.hypotheses) {
      const { lightest } = paths;
      this.#flat += paths.mass[lightest];
      paths.drop(lightest);
    }
  }

  /** What has been read tells the next byte; for what waits it is guessed. */
  #fill(): void {
    const { vocabulary } = this.#reader;
    const paths = this.#paths;
    const out = this.distribution;
    this.evidence[BOUNDARY_SHARE] = paths.boundaryShare;
    out.fill(this.#flat / SYMBOLS);
    this.#pending.addNext(this.#length, out);
    for (let i = 0; i < paths.count; i++) {
      vocabulary.addNext(paths.sums[i], paths.residual[i], paths.weight[i], out);
    }
    let total = 0;
    for (let i = 0; i < SYMBOLS; i++) total += out[i];
    const factor = 1 / total;
    for (let i = 0; i < SYMBOLS; i++) out[i] *= factor;
  }

  #growTo(size: number): void {
    if (this.#next.length >= size) return;
    this.#next = new Int32Array(size);
    this.#nextMass = new Float64Array(size);
  }
}

/** A waiting fork is read when its guessed mass, over that of the hypotheses, is above this. */
const LATE = 1 / 16;
const INITIAL = 16;
/** The least probability that is spread evenly: no symbol is impossible. */
const FLOOR = 1e-11;
/** The most that is spread evenly, over all other probability. */
const MOST_FLAT = 1e-3;
