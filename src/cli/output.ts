import { writeFile } from 'node:fs/promises';
import { resolvePath } from './arguments.ts';
import { Failure, reasonOf } from './failures.ts';
import type { Terminal } from './run.ts';

/** Prints a command's result and, where `--out` was given, writes it there too. Throws a Failure where it cannot. */
export async function writeResult(
  terminal: Terminal,
  result: string,
  out: string | undefined,
): Promise<void> {
  await terminal.stdout(result);
  if (out === undefined) return;
  const path = resolvePath(out);
  await writeFile(path, result).catch((error: unknown) => {
    throw new Failure(`cannot write ${path}: ${reasonOf(error)}.`);
  });
}

export function toJson(value: unknown): string {
  return `${JSON.stringify(value, undefined, 2)}\n`;
}
