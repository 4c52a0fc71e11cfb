import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { MemberError } from '../../config/memberError.ts';
import type { MemberManifest } from '../../config/memberManifest.ts';
import type { Member, MemberStream, TextContext } from '../member.ts';
import type { ForeseeingStream, ForesightVisitor } from '../remoteHost.ts';
import { ByteTokenizer } from './byteTokenizer.ts';
import { type Decoder, MAXIMUM_BATCH } from './decoder.ts';
import { DocumentReader } from './documentReader.ts';
import { defaultFrontierOptions, type FrontierOptions } from './frontier.ts';
import { openGrowDecoder } from './growDecoder.ts';
import { defaultPromptLimits, type Markers, PromptBuilder, type PromptLimits } from './prompt.ts';
import { RowPool } from './rowPool.ts';
import { parseDecoderShape } from './session.ts';
import { SortedVocabulary } from './sortedVocabulary.ts';
import { openTwoPartDecoder } from './twoPartDecoder.ts';

export interface NeuralMemberOptions {
  readonly frontier: FrontierOptions;
  readonly prompt: PromptLimits;
  /** The most tokens of a prompt that are read in one forward pass; between two the reading may be stopped. */
  readonly prefillTokens: number;
  /** The most bytes of keys and values that are kept for documents read before. */
  readonly cacheBytes: number;
  /** From which probability on a forward pass is made before it is asked for; above 1, none is. */
  readonly leastAheadProbability: number;
  /**
   * No such passes where a model has more weights than this: of a large one a pass takes so much longer than asking
   * for it does that there is little to gain and a whole pass to lose.
   */
  readonly mostAheadParameters: number;
}

export const defaultNeuralMemberOptions: NeuralMemberOptions = {
  frontier: defaultFrontierOptions,
  prompt: defaultPromptLimits,
  prefillTokens: MAXIMUM_BATCH,
  cacheBytes: 64 << 20,
  leastAheadProbability: 0.5,
  mostAheadParameters: 30e6,
};

/**
 * Opens the member in a folder whose manifest has been loaded and whose files have been checked.
 * @throws MemberError where the model, tokenizer and manifest do not fit together
 */
export async function openNeuralMember(
  folder: string,
  manifest: MemberManifest,
  options: NeuralMemberOptions = defaultNeuralMemberOptions,
): Promise<NeuralMember> {
  try {
    const tokenizer = new ByteTokenizer(await readJson(path.join(folder, manifest.tokenizer)));
    const markers = findMarkers(manifest, tokenizer);
    const endTokens = manifest.endTokens.map((content) => markerId(tokenizer, content, 'end token'));
    const vocabulary = new SortedVocabulary(tokenizer.tokens, endTokens);
    const shape = parseDecoderShape(await readJson(path.join(folder, manifest.config)));
    if (shape.vocabularySize < tokenizer.tokens.length) {
      throw new MemberError(
        `its tokenizer has ${tokenizer.tokens.length} tokens, its model only ${shape.vocabularySize}`,
        'The tokenizer.json belongs to another model; get the one of this model.',
      );
    }
    const model = path.join(folder, manifest.model);
    const open = manifest.export === 'twoPart' ? openTwoPartDecoder : openGrowDecoder;
    const decoder = await open(model, shape);
    if (manifest.contextTokens > decoder.nPositions) {
      await decoder.close();
      throw new MemberError(
        `its manifest asks for ${manifest.contextTokens} tokens of context, its model has ${decoder.nPositions} positions`,
        `Set contextTokens in its member.json to ${decoder.nPositions} or less.`,
      );
    }
    const newPrompts = () => new PromptBuilder(tokenizer, markers, manifest.contextTokens, options.prompt);
    const looksAhead = manifest.parameters <= options.mostAheadParameters;
    return new NeuralMember(manifest.id, decoder, vocabulary, newPrompts, {
      ...options,
      leastAheadProbability: looksAhead ? options.leastAheadProbability : Number.POSITIVE_INFINITY,
    });
  } catch (error) {
    if (!(error instanceof MemberError)) throw error;
    throw new MemberError(`The member ${manifest.id} cannot be used: ${error.message}`, error.hint);
  }
}

/** A decoder with its tokenizer, read byte by byte through a frontier. */
export class NeuralMember implements Member {
  readonly id: string;
  readonly kind = 'neural';
  readonly #decoder: Decoder;
  readonly #vocabulary: SortedVocabulary;
  readonly #newPrompts: () => PromptBuilder;
  readonly #rows: RowPool;
  readonly #options: NeuralMemberOptions;
  /** The document read last comes last. */
  readonly #documents = new Map<string, DocumentReader>();
  /** A reading that must end before the next may begin. */
  #working: Promise<void> | undefined;
  #isClosed = false;

  constructor(
    id: string,
    decoder: Decoder,
    vocabulary: SortedVocabulary,
    newPrompts: () => PromptBuilder,
    options: NeuralMemberOptions,
  ) {
    this.id = id;
    this.#decoder = decoder;
    this.#vocabulary = vocabulary;
    this.#newPrompts = newPrompts;
    this.#rows = new RowPool(vocabulary);
    this.#options = options;
  }

  /** Bytes of the keys and values kept now. */
  get cacheBytes(): number {
    let sum = 0;
    for (const { reader } of this.#documents.values()) sum += reader.cache.bytes;
    return sum;
  }

  async open(context: TextContext, signal: AbortSignal): Promise<MemberStream> {
    while (this.#working) await this.#working;
    signal.throwIfAborted();
    if (this.#isClosed) throw new Error(`The member ${this.id} has been closed.`);
    const document = this.#document(context.documentId);
    const { reader } = document;
    const passesBefore = reader.forwardPasses;
    const prompt = document.prompts.build(context);
    await this.#read(context.documentId, signal, document.read(prompt, signal));
    this.#trim();
    return new NeuralStream(document, passesBefore, (work) => {
      try {
        return work();
      } catch (error) {
        this.#forget(context.documentId);
        throw error;
      }
    });
  }

  async close(): Promise<void> {
    while (this.#working) await this.#working;
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#documents.clear();
    await this.#decoder.close();
  }

  #document(id: string): DocumentReader {
    const document =
      this.#documents.get(id) ??
      new DocumentReader(
        this.#decoder.createCache(),
        this.#vocabulary,
        this.#newPrompts(),
        this.#rows,
        this.#options,
      );
    this.#documents.delete(id);
    this.#documents.set(id, document);
    return document;
  }

  /** Notes that a prompt is being read; where that fails, what was kept of the document cannot be trusted. */
  async #read(documentId: string, signal: AbortSignal, work: Promise<void>): Promise<void> {
    const settled = work.then(
      () => {},
      () => {},
    );
    this.#working = settled;
    try {
      await work;
    } catch (error) {
      if (!signal.aborted || error !== signal.reason) this.#forget(documentId);
      throw error;
    } finally {
      if (this.#working === settled) this.#working = undefined;
    }
  }

  /** Forgets the documents read longest ago, but not the last. */
  #trim(): void {
    let excess = this.cacheBytes - this.#options.cacheBytes;
    for (const [id, { reader }] of this.#documents) {
      if (excess <= 0 || this.#documents.size === 1) return;
      excess -= reader.cache.bytes;
      this.#forget(id);
    }
  }

  #forget(id: string): void {
    this.#documents.get(id)?.reader.close();
    this.#documents.delete(id);
  }
}

type Guard = <Result>(work: () => Result) => Result;

class NeuralStream implements ForeseeingStream {
  readonly distribution: Float64Array;
  readonly evidence: Float64Array;
  readonly recentLogProbabilities: Float64Array;
  readonly readAhead?: (visit: ForesightVisitor) => number | undefined;
  readonly #document: DocumentReader;
  readonly #passesBefore: number;
  /** Does what may fail, after which the document cannot be trusted. */
  readonly #guard: Guard;
  #isReleased = false;

  constructor(document: DocumentReader, passesBefore: number, guard: Guard) {
    this.#document = document;
    this.#passesBefore = passesBefore;
    this.#guard = guard;
    this.distribution = document.cursor.distribution;
    this.evidence = document.cursor.evidence;
    this.recentLogProbabilities = document.recentLogProbabilities();
    if (document.makesPassesAhead) this.readAhead = (visit) => this.#try(() => document.readAhead(visit));
  }

  get forwardPasses(): number {
    return this.#document.reader.forwardPasses - this.#passesBefore;
  }

  advance(byte: number): undefined {
    if (this.#isReleased) throw new Error('The stream has been released.');
    this.#try(() => this.#document.cursor.advance(byte));
  }

  expect(bytes: Uint8Array): undefined {
    if (!this.#isReleased) this.#try(() => this.#document.expect(bytes));
  }

  foresee(visit: ForesightVisitor, expected: Uint8Array): number | undefined {
    return this.#document.foresee(visit, expected);
  }

  /** Where this fails, nothing more can be read. */
  #try<Result>(work: () => Result): Result {
    try {
      return this.#guard(work);
    } catch (error) {
      this.#isReleased = true;
      throw error;
    }
  }

  /** The tokens read stay with the document: they are often what is asked for next. */
  release(): void {
    this.#isReleased = true;
    this.#document.stopForeseeing();
  }
}

async function readJson(file: string): Promise<unknown> {
  const text = await readFile(file, 'utf8');
  try {
    return JSON.parse(text);
  } catch {
    throw new MemberError(`${path.basename(file)} is not JSON`, 'Get the file again.');
  }
}

function findMarkers({ fillInTheMiddle }: MemberManifest, tokenizer: ByteTokenizer): Markers {
  return {
    prefix: markerId(tokenizer, fillInTheMiddle.prefix, 'fill-in-the-middle marker'),
    suffix: markerId(tokenizer, fillInTheMiddle.suffix, 'fill-in-the-middle marker'),
    middle: markerId(tokenizer, fillInTheMiddle.middle, 'fill-in-the-middle marker'),
    order: fillInTheMiddle.order,
  };
}

function markerId(tokenizer: ByteTokenizer, content: string, what: string): number {
  const id = tokenizer.marker(content);
  if (id !== undefined) return id;
  throw new MemberError(
    `the ${what} ${content} in its manifest is not one special token of its tokenizer`,
    "Take the markers from the model's card; they stand in tokenizer.json under added_tokens.",
  );
}
