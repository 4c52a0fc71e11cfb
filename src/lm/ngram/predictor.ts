import { EVIDENCE, MATCH_LENGTH, MATCH_SCOPE, matchScope } from '../evidence.ts';
import { SYMBOLS } from '../symbols.ts';
import { LONGEST_COUNTED } from './contextKeys.ts';
import type { Interpolation } from './interpolation.ts';
import { THIS_WEIGHT } from './liveText.ts';
import { LowOrders } from './lowOrders.ts';
import { type MatchLimits, MatchSet } from './matchSet.ts';
import { MAXIMUM_MATCH, type SearchableText } from './searchableText.ts';

/** Match lengths that are levels of their own; a match belongs to the longest that it reaches. */
const MATCH_ORDERS = [6, 8, 10, 12, 16, 20, 24, 32];
/** Levels of the interpolation: counts of this document, counts of all, matches. */
const SHARED = LONGEST_COUNTED + 1;
const MATCHES = SHARED + LONGEST_COUNTED + 1;
export const LEVELS = MATCHES + MATCH_ORDERS.length;

/** Shorter contexts are not asked for less probability than this. */
const NEGLIGIBLE = 1e-3;

/** What every symbol gets at least, END and the 0 byte included: text never says that an insertion is complete. */
const FLOOR = 1e-7;
const LIVE_LIMITS: MatchLimits = { matches: 64, recalled: 64, searchBelow: 64 };
const WORKSPACE_LIMITS: MatchLimits = { matches: 64, recalled: 63, searchBelow: 32 };

const CONTEXT_KEPT = 64;
const CONTEXT_SPACE = 4096;

const classOfLength = Uint8Array.from({ length: MAXIMUM_MATCH + 1 }, (_, length) =>
  Math.max(
    0,
    MATCH_ORDERS.findLastIndex((order) => order <= length),
  ),
);

/** Reads a text byte by byte and predicts the next one from the contexts' earlier successors. Counts nothing itself. */
export class Predictor {
  /** SYMBOLS probabilities, after `predict`. */
  readonly distribution = new Float64Array(SYMBOLS);
  /** EVIDENCE numbers about it. */
  readonly evidence = new Float64Array(EVIDENCE);

  /** Counts of the document that is being read. */
  readonly own = new LowOrders();
  readonly #shared: LowOrders;
  readonly #interpolation: Interpolation;
  readonly #live: MatchSet;
  readonly #workspace: MatchSet;
  readonly #context = new Uint8Array(CONTEXT_SPACE);
  #end = 0;
  readonly #marked: { readonly live: MatchSet; readonly workspace: MatchSet; end: number };

  // The levels of the last prediction, longest context first.
  #nLevels = 0;
  readonly #level = new Int32Array(LEVELS);
  readonly #bucket = new Int32Array(LEVELS);
  readonly #share = new Float64Array(LEVELS);
  readonly #total = new Float64Array(LEVELS);

  // Matches sorted by class, and the counts of their next bytes.
  readonly #classEnd = new Int32Array(MATCH_ORDERS.length + 1);
  readonly #sortedByte = new Uint8Array(LIVE_LIMITS.matches + WORKSPACE_LIMITS.matches);
  readonly #sortedWeight = new Float64Array(LIVE_LIMITS.matches + WORKSPACE_LIMITS.matches);
  readonly #counts = new Float64Array(256);
  readonly #seen = new Uint8Array(256);
  readonly #ofByte = new Float64Array(MATCH_ORDERS.length);

  readonly #liveText: SearchableText;
  readonly #workspaceText: SearchableText;

  constructor(
    live: SearchableText,
    workspace: SearchableText,
    shared: LowOrders,
    interpolation: Interpolation,
  ) {
    this.#liveText = live;
    this.#workspaceText = workspace;
    this.#live = new MatchSet(live, LIVE_LIMITS);
    this.#workspace = new MatchSet(workspace, WORKSPACE_LIMITS);
    this.#marked = {
      live: new MatchSet(live, LIVE_LIMITS),
      workspace: new MatchSet(workspace, WORKSPACE_LIMITS),
      end: 0,
    };
    this.#shared = shared;
    this.#interpolation = interpolation;
  }

  /** Starts a text. */
  reset(): void {
    this.#end = 0;
    this.#live.clear();
    this.#workspace.clear();
  }

  /** Looks the matches up anew, as those found before may be gone. */
  refresh(): void {
    const from = Math.max(0, this.#end - CONTEXT_KEPT);
    const recent = this.#context.slice(from, this.#end);
    this.reset();
    for (const byte of recent) this.advance(byte);
  }

  /** Remembers where the text stands, for `rewind`: it may grow by CONTEXT_KEPT bytes until then. */
  mark(): void {
    if (this.#end + CONTEXT_KEPT > CONTEXT_SPACE) this.#shorten();
    this.#marked.live.copyFrom(this.#live);
    this.#marked.workspace.copyFrom(this.#workspace);
    this.#marked.end = this.#end;
  }

  /** Goes back to where the text stood at `mark`. */
  rewind(): void {
    this.#live.copyFrom(this.#marked.live);
    this.#workspace.copyFrom(this.#marked.workspace);
    this.#end = this.#marked.end;
  }

  #shorten(): void {
    this.#context.copyWithin(0, this.#end - CONTEXT_KEPT, this.#end);
    this.#end = CONTEXT_KEPT;
  }

  /** The text goes on with this byte. */
  advance(byte: number): void {
    if (this.#end === CONTEXT_SPACE) this.#shorten();
    this.#context[this.#end++] = byte === 0 ? 32 : byte;
    this.#live.advance(this.#context, this.#end);
    this.#workspace.advance(this.#context, this.#end);
  }

  /** The distribution of the next byte; `without` as in LowOrders.find. */
  predict(without: number): Float64Array {
    const p = this.distribution;
    p.fill(0);
    this.evidence.fill(0);
    this.#nLevels = 0;
    const rest = this.#addCounts(this.#addMatches(1), without);
    const scale = 1 - FLOOR * SYMBOLS;
    for (let byte = 1; byte < 256; byte++) p[byte] = (p[byte] + rest / 255) * scale + FLOOR;
    p[0] = FLOOR;
    p[256] = FLOOR;
    return p;
  }

  /** After `predict`: what the next byte was. One step of expectation maximisation on the weights. */
  learn(byte: number): void {
    this.#countMatches(byte);
    const p = this.distribution[byte];
    let left = 1;
    for (let i = 0; i < this.#nLevels && left > 1e-3; i++) {
      const count = this.#countOf(this.#level[i], byte);
      const mine = Math.min(left, (this.#share[i] * count) / this.#total[i] / p);
      this.#interpolation.learn(this.#bucket[i], mine, left);
      left -= mine;
    }
  }

  /** Adds the levels of matches, longest first; what is left for shorter contexts. */
  #addMatches(start: number): number {
    const nMatches = this.#sort();
    for (let i = 0; i < this.#workspace.count; i++)
      this.#note(this.#workspace.lengths[i], matchScope.workspace);
    for (let i = 0; i < this.#live.count; i++) {
      const scope = this.#live.weights[i] === THIS_WEIGHT ? matchScope.file : matchScope.open;
      this.#note(this.#live.lengths[i], scope);
    }
    const p = this.distribution;
    const counts = this.#counts;
    const seen = this.#seen;
    let rest = start;
    let distinct = 0;
    let total = 0;
    let next = 0;
    for (let level = MATCH_ORDERS.length - 1; level >= 0 && nMatches > 0; level--) {
      const end = this.#classEnd[level];
      if (next === end) continue;
      for (; next < end; next++) {
        const byte = this.#sortedByte[next];
        if (counts[byte] === 0) seen[distinct++] = byte;
        counts[byte] += this.#sortedWeight[next];
        total += this.#sortedWeight[next];
      }
      const share = this.#push(MATCHES + level, total, distinct, rest);
      rest -= share;
      const scale = share / total;
      for (let i = 0; i < distinct; i++) p[seen[i]] += scale * counts[seen[i]];
    }
    for (let i = 0; i < distinct; i++) counts[seen[i]] = 0;
    return rest;
  }

  /** Adds the levels of counts, this document's before everyone's; what is left. */
  #addCounts(start: number, without: number): number {
    const own = this.own;
    const shared = this.#shared;
    const nOwn = own.find(this.#context, this.#end, without);
    const nShared = shared.find(this.#context, this.#end, without);
    let rest = start;
    for (let order = Math.max(nOwn, nShared) - 1; order >= 0 && rest > NEGLIGIBLE; order--) {
      if (order < nOwn && own.measure(order)) {
        rest = this.#addOrder(own, order, order, rest);
        this.#note(order, matchScope.file);
      }
      if (order < nShared && shared.measure(order)) {
        rest = this.#addOrder(shared, order, SHARED + order, rest);
        this.#note(order, matchScope.workspace);
      }
    }
    return rest;
  }

  /** A context of this length has been found: the longest counts, and of these the nearest. */
  #note(length: number, scope: number): void {
    const { evidence } = this;
    if (length < evidence[MATCH_LENGTH] || length === 0) return;
    if (length === evidence[MATCH_LENGTH] && scope < evidence[MATCH_SCOPE]) return;
    evidence[MATCH_LENGTH] = length;
    evidence[MATCH_SCOPE] = scope;
  }

  #addOrder(table: LowOrders, order: number, level: number, rest: number): number {
    const total = table.totals[order];
    const share = this.#push(level, total, table.distinct[order], rest);
    table.spread(order, share / total, this.distribution);
    return rest - share;
  }

  /** Notes a level and returns its share of the probability. */
  #push(level: number, total: number, distinct: number, rest: number): number {
    const i = this.#nLevels++;
    const bucket = this.#interpolation.bucket(level, total, distinct);
    const share = rest * this.#interpolation.weight(bucket);
    this.#level[i] = level;
    this.#bucket[i] = bucket;
    this.#total[i] = total;
    this.#share[i] = share;
    return share;
  }

  #countOf(level: number, byte: number): number {
    if (level >= MATCHES) return this.#ofByte[level - MATCHES];
    return level >= SHARED ? this.#shared.countOf(level - SHARED, byte) : this.own.countOf(level, byte);
  }

  /** Sorts the matches of both texts by class, longest first; their number. */
  #sort(): number {
    const end = this.#classEnd;
    end.fill(0);
    tally(this.#live, end);
    tally(this.#workspace, end);
    let sum = 0;
    for (let level = MATCH_ORDERS.length - 1; level >= 0; level--) {
      const size = end[level];
      end[level] = sum;
      sum += size;
    }
    this.#place(this.#live, this.#liveText.text);
    this.#place(this.#workspace, this.#workspaceText.text);
    return sum;
  }

  /** Puts each match in its place; afterwards #classEnd holds the ends of the classes. */
  #place(set: MatchSet, text: Uint8Array): void {
    const end = this.#classEnd;
    for (let i = 0; i < set.count; i++) {
      const to = end[classOfLength[set.lengths[i]]]++;
      this.#sortedByte[to] = text[set.positions[i] + 1];
      this.#sortedWeight[to] = set.weights[i];
    }
  }

  /** How much of each match level predicted this byte. */
  #countMatches(byte: number): void {
    let next = 0;
    let count = 0;
    for (let level = MATCH_ORDERS.length - 1; level >= 0; level--) {
      for (; next < this.#classEnd[level]; next++) {
        if (this.#sortedByte[next] === byte) count += this.#sortedWeight[next];
      }
      this.#ofByte[level] = count;
    }
  }
}

function tally(set: MatchSet, sizes: Int32Array): void {
  for (let i = 0; i < set.count; i++) sizes[classOfLength[set.lengths[i]]]++;
}
