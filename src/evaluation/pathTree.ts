import type { Member, MemberStream, TextContext } from '../lm/member.ts';

/** Texts that begin at one cursor, as a tree: a node stands for the bytes on the way to it from the root, node 0. */
export class PathTree {
  readonly parents: number[] = [-1];
  /** The byte that leads to a node; the root's is 0. */
  readonly bytes: number[] = [0];
  readonly #children = new Map<number, number>();

  get nNodes(): number {
    return this.parents.length;
  }

  /** The node after this byte; -1 where there is none. */
  child(node: number, byte: number): number {
    return this.#children.get(node * 256 + byte) ?? -1;
  }

  /** The same; it is added where there is none. */
  extend(node: number, byte: number): number {
    const known = this.child(node, byte);
    if (known >= 0) return known;
    const added = this.parents.push(node) - 1;
    this.bytes.push(byte);
    this.#children.set(node * 256 + byte, added);
    return added;
  }

  /** The nodes from the root to this one, both included. */
  pathTo(node: number): number[] {
    const path = [];
    for (let at = node; at >= 0; at = this.parents[at]) path.push(at);
    return path.reverse();
  }
}

/** What a member says at a node. */
export interface Answer {
  readonly distribution: Float32Array;
  readonly evidence: Float64Array;
}

/**
 * One member at one cursor, read along many paths: whoever evaluates asks for the same text again and again, so each
 * distribution is computed once, and kept in single precision.
 */
export class LivePaths {
  readonly member: Member;
  /** By node of the tree; nothing where the member has not been asked. */
  readonly answers: (Answer | undefined)[] = [];
  readonly #tree: PathTree;
  readonly #context: TextContext;
  readonly #signal: AbortSignal;
  #live: { readonly stream: MemberStream; node: number } | undefined;
  #recent = new Float64Array(0);

  private constructor(member: Member, tree: PathTree, context: TextContext, signal: AbortSignal) {
    this.member = member;
    this.#tree = tree;
    this.#context = context;
    this.#signal = signal;
  }

  /** The members of one cursor share one tree. */
  static async open(
    member: Member,
    tree: PathTree,
    context: TextContext,
    signal: AbortSignal,
  ): Promise<LivePaths> {
    const paths = new LivePaths(member, tree, context, signal);
    await paths.#restart();
    return paths;
  }

  get recent(): Float64Array {
    return this.#recent;
  }

  /** A fresh stream at the cursor. */
  stream(): MemberStream {
    let node = 0;
    const root = this.#known(0);
    const distribution = Float64Array.from(root.distribution);
    const evidence = Float64Array.from(root.evidence);
    const show = (answer: Answer) => {
      distribution.set(answer.distribution);
      evidence.set(answer.evidence);
    };
    return {
      distribution,
      evidence,
      recentLogProbabilities: this.#recent,
      forwardPasses: 0,
      advance: (byte) => {
        node = this.#tree.extend(node, byte);
        const known = this.answers[node];
        if (known === undefined) return this.#read(node).then(show);
        show(known);
        return undefined;
      },
      expect: (bytes) => {
        const isNews =
          this.#live?.node === node && this.answers[this.#tree.child(node, bytes[0])] === undefined;
        return isNews ? this.#live?.stream.expect?.(bytes) : undefined;
      },
      release() {},
    };
  }

  /** Sees to it that there is an answer at every node of the tree. */
  async complete(): Promise<void> {
    for (let node = 0; node < this.#tree.nNodes; node++) {
      if (this.answers[node] === undefined) await this.#read(node);
    }
  }

  close(): void {
    this.#live?.stream.release();
    this.#live = undefined;
  }

  #known(node: number): Answer {
    const answer = this.answers[node];
    if (answer === undefined) throw new Error(`The member ${this.member.id} has not read node ${node}`);
    return answer;
  }

  async #read(node: number): Promise<Answer> {
    const path = this.#tree.pathTo(node);
    if (this.#live === undefined || !path.includes(this.#live.node)) await this.#restart();
    const live = this.#live;
    if (live === undefined) throw new Error('The stream is closed');
    for (const next of path.slice(path.indexOf(live.node) + 1)) {
      const reading = live.stream.advance(this.#tree.bytes[next]);
      if (reading) await reading;
      live.node = next;
      this.answers[next] ??= answerOf(live.stream);
    }
    return this.#known(node);
  }

  async #restart(): Promise<void> {
    this.close();
    const stream = await this.member.open(this.#context, this.#signal);
    this.#live = { stream, node: 0 };
    this.#recent = Float64Array.from(stream.recentLogProbabilities);
    this.answers[0] ??= answerOf(stream);
  }
}

/** In single precision a probability would otherwise vanish. */
const leastProbability = 1e-30;

function answerOf({ distribution, evidence }: MemberStream): Answer {
  const kept = new Float32Array(distribution.length);
  for (let b = 0; b < kept.length; b++) kept[b] = Math.max(leastProbability, distribution[b]);
  return { distribution: kept, evidence: Float64Array.from(evidence) };
}
