import { randomNumbers } from '../evaluation/random.ts';
import type { ReplayedRequest } from './replayRun.ts';

/** Of some requests, rates from 0 to 1. */
export interface ReplayFigures {
  readonly requests: number;
  readonly shown: number;
  readonly acceptRate: number;
  readonly shownRate: number;
  /** Keys that need not be pressed ÷ characters that were to be typed. */
  readonly keystrokesSaved: number;
  /** Per request. */
  readonly reward: number;
}

export interface Checkpoint extends ReplayFigures {
  /** The champion there; null while none was learned. */
  readonly policyVersion: number | null;
  /** Of the requests since the checkpoint before. */
  readonly since: ReplayFigures;
}

/** The figures after each `every` shown suggestions, of all requests up to there. */
export function checkpoints(requests: readonly ReplayedRequest[], every = 100): Checkpoint[] {
  let start = 0;
  return shownAt(requests, every).map((end) => {
    const since = figures(requests.slice(start, end));
    start = end;
    return { ...figures(requests.slice(0, end)), policyVersion: requests[end - 1].policyVersion, since };
  });
}

/** After how many requests each `every` suggestions have been shown. */
export function shownAt(requests: readonly ReplayedRequest[], every: number): number[] {
  let nShown = 0;
  return requests.flatMap(({ shownLength }, i) => (shownLength > 0 && ++nShown % every === 0 ? [i + 1] : []));
}

export function figures(requests: readonly ReplayedRequest[]): ReplayFigures {
  const shown = requests.filter(({ shownLength }) => shownLength > 0);
  const total = (of: (request: ReplayedRequest) => number) =>
    requests.reduce((sum, request) => sum + of(request), 0);
  const ratio = (part: number, whole: number) => (whole === 0 ? 0 : part / whole);
  return {
    requests: requests.length,
    shown: shown.length,
    acceptRate: ratio(shown.filter(({ accepted }) => accepted !== 'none').length, shown.length),
    shownRate: ratio(shown.length, requests.length),
    keystrokesSaved: ratio(
      total(({ keysSaved }) => keysSaved),
      total(({ targetLength }) => targetLength),
    ),
    reward: ratio(
      total(({ reward }) => reward),
      requests.length,
    ),
  };
}

/** Two replays of the same requests. */
export interface Pair {
  /** Pairs of the same name are of the same files, and `start` is where in them the requests begin. */
  readonly name: string;
  readonly start: number;
  readonly treatment: readonly ReplayedRequest[];
  readonly control: readonly ReplayedRequest[];
}

export interface Bounds {
  readonly mean: number;
  readonly low: number;
  readonly high: number;
}

/** Treatment less control, with 95 % intervals; the first two relative to the control. */
export interface Difference {
  readonly acceptRate: Bounds;
  readonly shown: Bounds;
  readonly keystrokesSaved: Bounds;
  readonly reward: Bounds;
}

interface Block {
  readonly treatment: ReplayedRequest[];
  readonly control: ReplayedRequest[];
}

/** Requests that follow each other are not independent, nor is the same one under two seeds: blocks of so many are drawn whole. */
const blockLength = 25;
const nResamples = 2000;

/** Paired bootstrap over blocks of requests of both replays, all seeds of a block together. */
export function differenceOf(pairs: readonly Pair[], seed: number): Difference {
  const byPlace = new Map<string, Block>();
  for (const { name, start, treatment, control } of pairs) {
    for (const [i, request] of treatment.entries()) {
      const place = `${name} ${Math.floor((start + i) / blockLength)}`;
      const block = byPlace.get(place) ?? { treatment: [], control: [] };
      block.treatment.push(request);
      block.control.push(control[i]);
      byPlace.set(place, block);
    }
  }
  const blocks = [...byPlace.values()];
  const random = randomNumbers(seed);
  const drawn = Array.from({ length: nResamples }, () =>
    compared(blocks.map(() => blocks[Math.floor(random() * blocks.length)])),
  );
  const all = compared(blocks);
  const bounds = (name: keyof typeof all): Bounds => {
    const sorted = drawn.map((each) => each[name]).sort((a, b) => a - b);
    return {
      mean: all[name],
      low: sorted[Math.floor(nResamples * 0.025)],
      high: sorted[Math.ceil(nResamples * 0.975) - 1],
    };
  };
  return {
    acceptRate: bounds('acceptRate'),
    shown: bounds('shown'),
    keystrokesSaved: bounds('keystrokesSaved'),
    reward: bounds('reward'),
  };
}

function compared(pairs: readonly Block[]) {
  const treatment = figures(pairs.flatMap((pair) => pair.treatment));
  const control = figures(pairs.flatMap((pair) => pair.control));
  const relative = (a: number, b: number) => (b === 0 ? 0 : a / b - 1);
  return {
    acceptRate: relative(treatment.acceptRate, control.acceptRate),
    shown: relative(treatment.shown, control.shown),
    keystrokesSaved: treatment.keystrokesSaved - control.keystrokesSaved,
    reward: treatment.reward - control.reward,
  };
}
