import { parentPort, workerData } from 'node:worker_threads';
import { BOUNDARY_SHARE, EVIDENCE } from '../../src/lm/evidence.ts';
import type { Member, MemberStream, TextContext } from '../../src/lm/member.ts';
import { type ForeseeingStream, type ForesightVisitor, serveMember } from '../../src/lm/remoteHost.ts';
import { SYMBOLS } from '../../src/lm/symbols.ts';

/** A member that knows one thing: after a byte comes the next higher one, with what has been read as its weight. */
class ToyMember implements Member {
  readonly id = 'toy';
  readonly kind = 'neural';

  async open({ prefix }: TextContext, signal: AbortSignal): Promise<MemberStream> {
    if (prefix.length === 0) throw new Error('nothing to read');
    // As long as a prefill: one turn of the event loop per byte.
    for (let i = 0; i < prefix.length; i++) {
      signal.throwIfAborted();
      await new Promise((resolve) => setImmediate(resolve));
    }
    return new ToyStream(prefix[prefix.length - 1], prefix.length);
  }

  async close(): Promise<void> {}
}

/** The bytes that were read before anybody asked for them. */
const readAhead: number[] = [];
const ahead = { distribution: new Float64Array(SYMBOLS), evidence: new Float64Array(EVIDENCE) };
/** The byte that breaks a pass ahead. */
const UNREADABLE = 200;
const PASS_MS = 1;

class ToyStream implements ForeseeingStream {
  readonly distribution = new Float64Array(SYMBOLS);
  readonly evidence = new Float64Array(EVIDENCE);
  readonly recentLogProbabilities = Float64Array.of(-1, -2);
  forwardPasses: number;
  #last: number;
  /** The last byte foreseen, or the one that needs a pass, and the expected ones after it. */
  #end = 0;
  #way: number[] = [];

  constructor(last: number, forwardPasses: number) {
    this.#last = last;
    this.forwardPasses = forwardPasses;
    this.#fill(this, last);
  }

  advance(byte: number): Promise<void> | undefined {
    if (byte === 0) throw new Error('a zero byte');
    this.#last = byte;
    this.forwardPasses++;
    this.#fill(this, byte);
    return byte % 2 === 0 ? Promise.resolve() : undefined;
  }

  expect(): undefined {}

  /** Along the expected bytes, then upwards. It is worth a forward pass to look beyond the end of eight bytes. */
  foresee(visit: ForesightVisitor, expected: Uint8Array): number | undefined {
    this.#way = [...expected];
    this.#end = this.#last;
    return this.#foreseeOn(visit);
  }

  readAhead(visit: ForesightVisitor): number | undefined {
    for (const end = performance.now() + PASS_MS; performance.now() < end; );
    if (this.#end === UNREADABLE) throw new Error('out of ink');
    this.forwardPasses++;
    readAhead.push(this.#end);
    this.#fill(ahead, this.#end);
    return visit(this.#end, ahead.distribution, ahead.evidence) ? this.#foreseeOn(visit) : undefined;
  }

  #foreseeOn(visit: ForesightVisitor): number | undefined {
    for (;;) {
      this.#end = this.#way.shift() ?? this.#end + 1;
      if (this.#end >= 255) return undefined;
      if (this.#end % 8 === 0) return this.#end;
      this.#fill(ahead, this.#end);
      if (!visit(this.#end, ahead.distribution, ahead.evidence)) return undefined;
    }
  }

  release(): void {}

  #fill({ distribution, evidence }: Pick<MemberStream, 'distribution' | 'evidence'>, byte: number): void {
    distribution.fill(0.1 / (SYMBOLS - 1));
    distribution[byte + 1] = 0.9;
    evidence[BOUNDARY_SHARE] = byte / 256;
  }
}

if (parentPort) {
  serveMember(parentPort, workerData.memory, new ToyMember(), {
    double: (argument) => 2 * Number(argument),
    readAhead: () => readAhead.splice(0),
    crash: () => {
      setImmediate(() => {
        throw new Error('out of luck');
      });
      return new Promise(() => {});
    },
  });
}
