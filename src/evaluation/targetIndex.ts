import type { TextContext } from '../lm/member.ts';
import { nearDuplicates, type Position, type SourceFile, type SourcePackage } from './positions.ts';

/** The documents that the n-gram member knows; each package is indexed alone. */
export interface DocumentIndex {
  /** @param scope `open` for the file that is edited, `workspace` for the others */
  setDocument(id: string, text: Uint8Array, scope: 'open' | 'workspace'): Promise<void>;
  removeDocument(id: string): Promise<void>;
}

/** Keeps the index at what the ensemble may know: the target's package, without its near-duplicates and its own rest. */
export class TargetIndex {
  readonly #index: DocumentIndex;
  readonly #packages: readonly SourcePackage[];
  #packageIdx = -1;
  #fileIdx = -1;
  #hidden: SourceFile[] = [];

  constructor(index: DocumentIndex, packages: readonly SourcePackage[]) {
    this.#index = index;
    this.#packages = packages;
  }

  /** @param nBack bytes before the cursor that are not to be known either */
  async moveTo({ packageIdx, fileIdx, before }: Position, nBack = 0): Promise<void> {
    const { files } = this.#packages[packageIdx];
    const file = files[fileIdx];
    if (packageIdx !== this.#packageIdx) {
      const previous = this.#packages[this.#packageIdx]?.files ?? [];
      for (const { path } of previous) await this.#index.removeDocument(path);
      for (const { path, text } of files) await this.#index.setDocument(path, encodeText(text), 'workspace');
      this.#hidden = [];
    }
    if (packageIdx !== this.#packageIdx || fileIdx !== this.#fileIdx) {
      for (const { path, text } of this.#hidden)
        await this.#index.setDocument(path, encodeText(text), 'workspace');
      const copies = nearDuplicates(file, files);
      for (const { path } of copies) await this.#index.removeDocument(path);
      this.#hidden = [file, ...copies];
    }
    const known = encodeText(before);
    await this.#index.setDocument(file.path, known.subarray(0, known.length - nBack), 'open');
    this.#packageIdx = packageIdx;
    this.#fileIdx = fileIdx;
  }

  /** Takes everything out of the index. */
  async clear(): Promise<void> {
    const known = this.#packages[this.#packageIdx]?.files ?? [];
    for (const { path } of known) await this.#index.removeDocument(path);
    this.#packageIdx = -1;
  }
}

/** The longest completion that is asked for, in bytes. */
export const longestCompletion = 200;

/** As much of a file as any member reads. */
const contextBytes = { prefix: 4_000, suffix: 1_000 };

export function contextAt(position: Position, { path, languageId }: SourceFile): TextContext {
  const prefix = encodeText(position.before);
  return {
    documentId: path,
    languageId,
    prefix: prefix.subarray(Math.max(0, prefix.length - contextBytes.prefix)),
    suffix: encodeText(position.after).subarray(0, contextBytes.suffix),
  };
}

/** By package, file and place: so the members read each file once, from its beginning on. */
export function documentOrder(a: Position, b: Position): number {
  return a.packageIdx - b.packageIdx || a.fileIdx - b.fileIdx || a.before.length - b.before.length;
}

const encoder = new TextEncoder();

export function encodeText(text: string): Uint8Array {
  return encoder.encode(text);
}
