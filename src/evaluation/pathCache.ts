import type { Member, MemberStream, TextContext } from '../lm/member.ts';

/**
 * One member at one cursor, read along many paths: every policy of an evaluation asks for the same text again and
 * again, so each distribution is computed once. `stream` gives a fresh stream at the cursor.
 */
export class PathCache {
  readonly #member: Member;
  readonly #context: TextContext;
  readonly #signal: AbortSignal;
  readonly #distributions = new Map<string, Float64Array>();
  #live: { stream: MemberStream; path: string } | undefined;
  #recent = new Float64Array(0);
  #forwardPasses = 0;

  private constructor(member: Member, context: TextContext, signal: AbortSignal) {
    this.#member = member;
    this.#context = context;
    this.#signal = signal;
  }

  static async open(member: Member, context: TextContext, signal: AbortSignal): Promise<PathCache> {
    const cache = new PathCache(member, context, signal);
    await cache.#restart();
    return cache;
  }

  /** Forward passes spent at this cursor so far. */
  get forwardPasses(): number {
    return this.#forwardPasses + (this.#live?.stream.forwardPasses ?? 0);
  }

  stream(): MemberStream {
    let path = '';
    const distribution = Float64Array.from(this.#at(''));
    return {
      distribution,
      recentLogProbabilities: this.#recent,
      forwardPasses: 0,
      advance: (byte) => {
        path += String.fromCharCode(byte);
        const known = this.#distributions.get(path);
        if (known === undefined) return this.#read(path).then((read) => distribution.set(read));
        distribution.set(known);
        return undefined;
      },
      release() {},
    };
  }

  close(): void {
    if (this.#live === undefined) return;
    this.#forwardPasses += this.#live.stream.forwardPasses;
    this.#live.stream.release();
    this.#live = undefined;
  }

  #at(path: string): Float64Array {
    const known = this.#distributions.get(path);
    if (known === undefined) throw new Error(`No distribution after ${path.length} bytes`);
    return known;
  }

  async #read(path: string): Promise<Float64Array> {
    if (this.#live === undefined || !path.startsWith(this.#live.path)) await this.#restart();
    const live = this.#live;
    if (live === undefined) throw new Error('The stream is closed');
    for (let at = live.path.length; at < path.length; at++) {
      const reading = live.stream.advance(path.charCodeAt(at));
      if (reading) await reading;
      live.path = path.slice(0, at + 1);
      this.#distributions.set(live.path, Float64Array.from(live.stream.distribution));
    }
    return this.#at(path);
  }

  async #restart(): Promise<void> {
    this.close();
    const stream = await this.#member.open(this.#context, this.#signal);
    this.#live = { stream, path: '' };
    this.#recent = Float64Array.from(stream.recentLogProbabilities);
    this.#distributions.set('', Float64Array.from(stream.distribution));
  }
}
