import type { Corpus } from './corpus.ts';
import type { Machine } from './machine.ts';

/** What every case is given. */
export interface BenchContext {
  readonly cacheFolder: string;
  readonly machine: Machine;
  readonly corpus: Corpus;
  /** Why there are no peers; undefined where they are installed. */
  readonly peersProblem: string | undefined;
  readonly seed: number;
  say(progress: string): void;
}

/** One number with its goal: a line of the table. */
export interface Figure {
  readonly what: string;
  readonly value: string;
  readonly spread: string;
  readonly goal: string;
  /** Undefined where there is no goal, or nothing to compare with. */
  readonly isMet: boolean | undefined;
}

/** The result of a case. `details` goes to the JSON document as it is. */
export interface CaseResult {
  readonly ratio?: number;
  readonly milliseconds?: { readonly p50: number; readonly p95: number };
  readonly figures: readonly Figure[];
  /** What limits the number, and what the floor would be, with the measured numbers it follows from. */
  readonly limit: string;
  readonly notes?: readonly string[];
  readonly details: Readonly<Record<string, unknown>>;
}

export type Case = (context: BenchContext) => Promise<CaseResult>;
