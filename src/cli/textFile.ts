import { readFile, stat } from 'node:fs/promises';
import { isInsideCharacter } from '../server/textContext.ts';
import { Failure, reasonOf } from './failures.ts';

/** Reads a source file. Throws a Failure where it is missing, too large, binary or not UTF-8. */
export async function readTextFile(path: string, maximumKilobytes: number): Promise<string> {
  const info = await stat(path).catch((error: unknown) => {
    throw new Failure(`cannot read ${path}: ${reasonOf(error)}.`);
  });
  if (!info.isFile()) throw new Failure(`${path} is not a file. Give the path of a source file.`);
  if (info.size > maximumKilobytes * 1000) {
    const megabytes = (info.size / 1e6).toFixed(1);
    throw new Failure(
      `${path} has ${megabytes} MB; only files up to ${maximumKilobytes / 1000} MB are completed.`,
    );
  }
  const bytes = await readFile(path).catch((error: unknown) => {
    throw new Failure(`cannot read ${path}: ${reasonOf(error)}.`);
  });
  if (bytes.includes(0)) throw new Failure(`${path} is binary. Give the path of a source file.`);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch {
    throw new Failure(`${path} is not valid UTF-8. Convert it, for example with iconv.`);
  }
}

/**
 * The offset of a position in UTF-16 units; line and column count from 1. Throws a Failure where the text has
 * no such position, or it is inside a character.
 */
export function offsetAt(
  text: string,
  { line, column }: { readonly line: number; readonly column: number },
): number {
  const lineEnd = /\r\n|\r|\n|$/g;
  let start = 0;
  for (let number = 1; ; number++) {
    const end = lineEnd.exec(text);
    if (end === null) throw new Error('a text has at least one line');
    if (number === line) {
      const nColumns = end.index - start + 1;
      const offset = start + column - 1;
      if (isInsideCharacter(text, offset)) {
        throw new Failure(
          `column ${column} of line ${line} is inside a character, which takes two columns. Give ${column - 1} or ${column + 1}.`,
        );
      }
      if (column <= nColumns) return offset;
      throw new Failure(
        `line ${line} has ${nColumns} columns (the last one is after its end), not ${column}.`,
      );
    }
    if (end[0] === '') {
      throw new Failure(`the file has ${number} ${number === 1 ? 'line' : 'lines'}, not ${line}.`);
    }
    start = lineEnd.lastIndex;
  }
}
