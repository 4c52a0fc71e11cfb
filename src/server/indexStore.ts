import * as z from 'zod';
import type { Log } from './log.ts';
import { eraseSavedIndex } from './savedIndex.ts';

/** Whether the index is kept on disk; `off` also removes what was kept, `untouched` does nothing to it. */
export type Keeping = 'on' | 'off' | 'untouched';

/** The n-gram in its worker, which alone reads and writes the file. */
export interface IndexHolder {
  call(name: 'restore' | 'save' | 'erase', path: string): Promise<unknown>;
}

export interface IndexStoreOptions {
  /** The file. */
  readonly path: string;
  readonly log: Pick<Log, 'info' | 'warn' | 'debug'>;
}

/** How often a save that a change overtook is tried again at once. */
const maximumAttempts = 3;
const mending =
  'Nothing is lost. Make room and see to the rights of that folder, or turn consort.index.persist off.';

/** Keeps the workspace's index from one session to the next. After `erase` nothing is kept until it is turned on anew. */
export class IndexStore {
  readonly #options: IndexStoreOptions;
  #keeping: Keeping = 'untouched';
  #isErased = false;
  #holder: IndexHolder | undefined;
  /** Changes to the workspace's files that are not on disk. */
  #nUnsaved = 0;
  #saving: Promise<void> = Promise.resolve();
  readonly #complaints = new Set<string>();

  constructor(options: IndexStoreOptions) {
    this.#options = options;
  }

  get nUnsaved(): number {
    return this.#isOn ? this.#nUnsaved : 0;
  }

  get #isOn(): boolean {
    return this.#keeping === 'on' && !this.#isErased;
  }

  /** Settles when what this asks for has been done; never rejects. */
  async configure(keeping: Keeping): Promise<void> {
    if (keeping === this.#keeping) return;
    this.#keeping = keeping;
    this.#isErased = false;
    if (keeping === 'on') {
      this.#nUnsaved++;
      await this.save();
    }
    if (keeping !== 'off') return;
    const { bytes, problem } = await this.#erase();
    if (problem !== undefined)
      this.#complain(`The saved index ${this.#options.path} stays: ${problem}. Remove it by hand.`);
    else if (bytes > 0) this.#options.log.info(`The saved index ${this.#options.path} has been removed.`);
  }

  /** A new holder with an empty index. What it has restored; nothing where there is nothing that can be used. */
  async attach(holder: IndexHolder): Promise<Restored | undefined> {
    this.#holder = holder;
    this.#nUnsaved = 0;
    if (!this.#isOn) return undefined;
    const { path, log } = this.#options;
    const started = performance.now();
    const restored = await ask(holder, 'restore', path, restoredSchema);
    if (restored?.problem !== undefined) {
      this.#nUnsaved++;
      log.warn(
        `The saved index ${path} cannot be used: ${restored.problem}. The workspace is read anew and the file replaced.`,
      );
    } else if (restored !== undefined && restored.files > 0) {
      const seconds = ((performance.now() - started) / 1000).toFixed(1);
      log.info(`The saved index was read in ${seconds} s; files: ${restored.files}.`);
    }
    return restored;
  }

  noteChange(): void {
    this.#nUnsaved++;
  }

  /** Saves what has changed, if anything; settles when that is done or given up, never rejects. */
  save(): Promise<void> {
    this.#saving = this.#saving.then(() => this.#save());
    return this.#saving;
  }

  /** Removes the file; nothing is written again in this session unless it is turned off and on. */
  erase(): Promise<Erased> {
    this.#isErased = true;
    return this.#erase();
  }

  async #save(): Promise<void> {
    for (let i = 0; i < maximumAttempts && this.nUnsaved > 0; i++) {
      const holder = this.#holder;
      if (holder === undefined) return;
      const { path, log } = this.#options;
      const nBefore = this.#nUnsaved;
      const answer = await ask(holder, 'save', path, savedSchema);
      if (holder !== this.#holder || answer === undefined) return;
      if (answer.problem !== undefined) {
        this.#complain(`The index could not be saved: ${answer.problem}. ${mending}`);
        return;
      }
      if (!answer.isSaved) continue;
      this.#nUnsaved -= nBefore;
      log.debug('The index was saved.');
      return;
    }
  }

  /** Through the holder, if there is one: what it is writing must not come after. */
  async #erase(): Promise<Erased> {
    const { path } = this.#options;
    const erased = this.#holder && (await ask(this.#holder, 'erase', path, erasedSchema));
    if (erased !== undefined) return erased;
    try {
      return { bytes: eraseSavedIndex(path) };
    } catch (error) {
      return { bytes: 0, problem: error instanceof Error ? error.message : String(error) };
    }
  }

  #complain(message: string): void {
    if (this.#complaints.has(message)) return;
    this.#complaints.add(message);
    this.#options.log.warn(message);
  }
}

/** What the holder says after each change: whether there was room for it, and what is indexed now. */
const statsFields = {
  hasRoom: z.boolean(),
  files: z.number(),
  bytes: z.number(),
  memoryBytes: z.number(),
};
export const statsSchema = z.object(statsFields);
const restoredSchema = z.object({
  problem: z.string().optional(),
  restored: z.object({
    ids: z.array(z.string()),
    bytes: z.instanceof(Float64Array),
    modifiedMs: z.instanceof(Float64Array),
  }),
  ...statsFields,
});
export type Restored = z.infer<typeof restoredSchema>;
const savedSchema = z.object({ isSaved: z.boolean(), problem: z.string().optional() });
const erasedSchema = z.object({ bytes: z.number(), problem: z.string().optional() });
/** Bytes of the files that are gone, and what went wrong, if anything did. */
export type Erased = z.infer<typeof erasedSchema>;

/** Undefined where the worker is gone: another one will take its place, or none is wanted. */
async function ask<T>(
  holder: IndexHolder,
  name: 'restore' | 'save' | 'erase',
  path: string,
  schema: z.ZodType<T>,
): Promise<T | undefined> {
  try {
    return schema.parse(await holder.call(name, path));
  } catch {
    return undefined;
  }
}
