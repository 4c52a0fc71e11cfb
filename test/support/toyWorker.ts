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
/** The byte that breaks it. */
const UNREADABLE = 200;

class ToyStream implements ForeseeingStream {
  readonly distribution = new Float64Array(SYMBOLS);
  readonly evidence = new Float64Array(EVIDENCE);
  readonly recentLogProbabilities = Float64Array.of(-1, -2);
  forwardPasses: number;
  #last: number;
  #unread = 0;

  constructor(last: number, forwardPasses: number) {
    this.#last = last;
    this.forwardPasses = forwardPasses;
    this.#fill(this, last);
  }

  advance(byte: number): Promise<void> | undefined {
    if (byte === 0) throw new Error('a zero byte');
    if (byte === UNREADABLE) throw new Error('out of ink');
    this.#last = byte;
    this.forwardPasses++;
    this.#fill(this, byte);
    return byte % 2 === 0 ? Promise.resolve() : undefined;
  }

  /** It is worth a forward pass to look beyond the end of eight bytes. */
  foresee(visit: ForesightVisitor): number | undefined {
    return this.#foreseeFrom(this.#last + 1, visit);
  }

  readAhead(visit: ForesightVisitor): number | undefined {
    if (this.#unread === UNREADABLE) throw new Error('out of ink');
    this.forwardPasses++;
    readAhead.push(this.#unread);
    this.#fill(ahead, this.#unread);
    return visit(this.#unread, ahead.distribution, ahead.evidence)
      ? this.#foreseeFrom(this.#unread + 1, visit)
      : undefined;
  }

  #foreseeFrom(first: number, visit: ForesightVisitor): number | undefined {
    for (let byte = first; byte < 255; byte++) {
      this.#unread = byte;
      if (byte % 8 === 0) return byte;
      this.#fill(ahead, byte);
      if (!visit(byte, ahead.distribution, ahead.evidence)) return undefined;
    }
    return undefined;
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
