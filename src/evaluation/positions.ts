import { randomNumbers } from './random.ts';

/** A package or repository under evaluation. */
export interface SourcePackage {
  readonly name: string;
  readonly files: readonly SourceFile[];
}

export interface SourceFile {
  readonly path: string;
  readonly languageId: string;
  readonly text: string;
}

/** A cursor in a file; what is asked for is the rest of its line. */
export interface Position {
  readonly packageIdx: number;
  readonly fileIdx: number;
  readonly before: string;
  readonly target: string;
  /** From the end of the cursor's line on. */
  readonly after: string;
}

/** A line with more left than this (UTF-16 units) is data, which nobody types. */
const longestTarget = 300;

/** Files outside these bounds (bytes of UTF-8) hold no positions, though they are indexed. */
const fileBytes = { minimum: 200, maximum: 60_000 };

/**
 * Seeded random cursors on non-blank lines, each file's chance proportional to its length, the middle of words
 * included, with something other than white space left on the line.
 */
export function drawPositions(
  packages: readonly SourcePackage[],
  nPositions: number,
  seed: number,
): Position[] {
  const random = randomNumbers(seed);
  const files = packages.flatMap((sourcePackage, packageIdx) =>
    sourcePackage.files.flatMap((file, fileIdx) =>
      isEligible(file.text) ? [{ packageIdx, fileIdx, text: file.text }] : [],
    ),
  );
  // Packages take turns, so that a large one does not decide the result.
  const turns = packages.flatMap((_, packageIdx) => {
    const own = files.filter((file) => file.packageIdx === packageIdx);
    return own.length > 0 ? [{ own, length: own.reduce((sum, file) => sum + file.text.length, 0) }] : [];
  });
  const positions: Position[] = [];
  for (
    let attempt = 0;
    turns.length > 0 && positions.length < nPositions && attempt < nPositions * 20;
    attempt++
  ) {
    const turn = turns[positions.length % turns.length];
    let offset = Math.floor(random() * turn.length);
    const file = turn.own.find(({ text }) => {
      if (offset < text.length) return true;
      offset -= text.length;
      return false;
    });
    const position = file && positionAt(file.text, offset);
    if (file && position) positions.push({ packageIdx: file.packageIdx, fileIdx: file.fileIdx, ...position });
  }
  return positions;
}

function positionAt(text: string, offset: number): Pick<Position, 'before' | 'target' | 'after'> | undefined {
  if (/[\uDC00-\uDFFF]/.test(text[offset])) return undefined; // inside a surrogate pair
  const newline = text.indexOf('\n', offset);
  const end = newline < 0 ? text.length : newline - (text[newline - 1] === '\r' ? 1 : 0);
  const target = text.slice(offset, end);
  if (target.trim() === '' || target.length > longestTarget) return undefined;
  return { before: text.slice(0, offset), target, after: text.slice(end) };
}

function isEligible(text: string): boolean {
  const bytes = new TextEncoder().encode(text).length;
  return bytes >= fileBytes.minimum && bytes <= fileBytes.maximum;
}

/** Lines this short (trimmed) say nothing about copying. */
const shortLine = 12;

/**
 * The files that share more than 30 % of the given file's lines: left out of the index while it is the target,
 * so that the answer is not simply looked up.
 */
export function nearDuplicates(file: SourceFile, others: readonly SourceFile[]): SourceFile[] {
  const own = linesOf(file.text);
  return others.filter((other) => {
    if (other === file || own.size === 0) return false;
    const theirs = linesOf(other.text);
    let shared = 0;
    for (const line of own) if (theirs.has(line)) shared++;
    return shared / own.size > 0.3;
  });
}

function linesOf(text: string): Set<string> {
  return new Set(
    text
      .split('\n')
      .map((line) => line.trim())
      .filter((line) => line.length >= shortLine),
  );
}
