import { resolve } from 'node:path';
import { type ParseArgsOptionsConfig, parseArgs } from 'node:util';
import { UsageError } from './failures.ts';

/** Options and positional arguments of a command. Throws a UsageError with the hint where they are wrong. */
export function parseOptions<Options extends ParseArgsOptionsConfig>(
  args: readonly string[],
  hint: string,
  options: Options,
) {
  try {
    return parseArgs({ args: [...args], options, allowPositionals: true });
  } catch (error) {
    throw new UsageError(firstSentence(error), hint);
  }
}

/** What Node says of a command line, without its advice and the full stop. */
function firstSentence(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  const [sentence] = message.split(/\.\s/, 1);
  return sentence.replace('argument is ambiguous', 'lacks its value, which cannot begin with a dash');
}

/** A required whole number from 1. */
export function integerOption(name: string, value: string | undefined, hint: string): number {
  if (value === undefined) throw new UsageError(`--${name} is missing`, hint);
  if (!/^[1-9]\d{0,9}$/.test(value))
    throw new UsageError(`--${name} must be a whole number from 1, not "${value}"`, hint);
  return Number(value);
}

/** Several of them, with commas between. */
export function integersOption(name: string, value: string, hint: string): number[] {
  return value.split(',').map((part) => integerOption(name, part.trim(), hint));
}

/** The parts of an option's value between its commas. */
export function listOption(value: string | undefined): string[] | undefined {
  return value?.split(',').map((name) => name.trim());
}

/** npm runs scripts in the package's folder; paths are meant from where the person is. */
export function resolvePath(path: string): string {
  const { npm_lifecycle_event: script, INIT_CWD: startedIn } = process.env;
  return resolve(script === 'consort' && startedIn !== undefined ? startedIn : process.cwd(), path);
}
