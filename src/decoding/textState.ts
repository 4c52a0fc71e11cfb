import type { MemberStream } from '../lm/member.ts';
import { END, NEWLINE } from '../lm/symbols.ts';
import type { StepState } from '../policy/policy.ts';

/** What has been written, and what the members say comes next. */
export class TextState implements StepState {
  readonly distributions: readonly Float64Array[];
  readonly evidence: readonly Float64Array[];
  readonly lag: Int32Array;
  readonly text: Uint8Array;
  length = 0;
  logProbability = 0;

  constructor(streams: readonly MemberStream[], maximumBytes: number) {
    this.distributions = streams.map((stream) => stream.distribution);
    this.evidence = streams.map((stream) => stream.evidence);
    this.lag = new Int32Array(streams.length);
    this.text = new Uint8Array(maximumBytes);
  }

  /** After every advance: for a single line, its end and the end of the insertion are one thing, whatever a member says. */
  foldLineEnds(): void {
    for (const distribution of this.distributions) {
      distribution[END] += distribution[NEWLINE] + distribution[carriageReturn];
      distribution[NEWLINE] = 0;
      distribution[carriageReturn] = 0;
    }
  }

  push(byte: number, logProbability: number): void {
    this.text[this.length++] = byte;
    this.logProbability += logProbability;
  }
}

const carriageReturn = 13;
