import { NEWLINE } from '../lm/symbols.ts';
import type { NoCompletionReason, StopReason } from '../protocol/completion.ts';
import { type DecodeOptions, type DecodeResult, decode, type Step } from './decode.ts';
import { restOfLine } from './lineStops.ts';

/** A finished completion. The steps' texts concatenate to `text`. */
export interface Completion {
  readonly text: string;
  readonly steps: readonly Step[];
  readonly stopReason: StopReason;
  /** Why there is nothing to show; null exactly when there is a text. */
  readonly noCompletionReason: NoCompletionReason | null;
  /** ln p of the text, and of its end where it ends with the line. */
  readonly logProbability: number;
  readonly policyMs: number;
}

/** Runs the decode loop to its end and takes off what a person would not want to see. */
export async function complete(options: DecodeOptions): Promise<Completion> {
  const steps: Step[] = [];
  const loop = decode(options);
  let turn = await loop.next();
  while (!turn.done) {
    steps.push(turn.value);
    turn = await loop.next();
  }
  return finish(steps, turn.value, options);
}

function finish(steps: Step[], result: DecodeResult, options: DecodeOptions): Completion {
  const { stopReason, surplusBytes, endLogProbability, policyMs } = result;
  dropBytes(steps, surplusBytes);
  if (restOfLine(options.context.suffix).length === 0 || steps.every(({ text }) => text.trim() === ''))
    dropTrailingSpace(steps);
  const text = steps.map((step) => step.text).join('');
  const nothing = (noCompletionReason: NoCompletionReason): Completion => ({
    text: '',
    steps: [],
    stopReason,
    noCompletionReason,
    logProbability: 0,
    policyMs,
  });
  if (text === '') return nothing(wasUnsure(stopReason) ? 'lowConfidence' : 'empty');
  if (standsBelow(text, options)) return nothing('alreadyThere');
  const logProbability = steps.reduce((sum, step) => sum + step.logProbability, endLogProbability);
  return { text, steps, stopReason, noCompletionReason: null, logProbability, policyMs };
}

function wasUnsure(stopReason: StopReason): boolean {
  return stopReason === 'lowConfidence' || stopReason === 'policy';
}

/** Drops this many bytes of UTF-8 from the end; a step cut short keeps its shares. */
function dropBytes(steps: Step[], nBytes: number): void {
  let left = nBytes;
  for (let last = steps.pop(); last !== undefined; last = steps.pop()) {
    const bytes = new TextEncoder().encode(last.text);
    if (bytes.length > left) {
      steps.push({ ...last, text: new TextDecoder().decode(bytes.subarray(0, bytes.length - left)) });
      return;
    }
    left -= bytes.length;
  }
}

function dropTrailingSpace(steps: Step[]): void {
  while (steps.at(-1)?.text.trim() === '') steps.pop();
}

/** Whether a whole new line would only say what the next line after the cursor says already. */
function standsBelow(text: string, { context }: DecodeOptions): boolean {
  const { prefix, suffix } = context;
  const decoder = new TextDecoder();
  const lineSoFar = decoder.decode(prefix.subarray(prefix.lastIndexOf(NEWLINE) + 1));
  const [rest, ...below] = decoder.decode(suffix).split('\n', 20);
  if (lineSoFar.trim() !== '' || rest.trim() !== '') return false;
  return below.find((line) => line.trim() !== '')?.trim() === text.trim();
}
