/**
 * Prints the table of src/lm/ngram/startingWeights.ts: how far each context could be trusted on the text of folders,
 * one workspace each. Usage: node bench/ngramWeights.ts DIR…
 */
import { BUCKETS } from '../src/lm/ngram/interpolation.ts';
import { NgramIndex } from '../src/lm/ngram/ngramIndex.ts';
import { LEVELS } from '../src/lm/ngram/predictor.ts';
import { encodeWeights } from '../src/lm/ngram/startingWeights.ts';
import { gatherText, scoreFiles, withoutNearDuplicates } from './support/ngramText.ts';

const INDEXED_BYTES = 4_000_000;
const SCORED_FILES = 40;
/** What a bucket that was hardly seen starts from: Witten & Bell's weight, as this many observations. */
const PRIOR = 4;
/** A typical number of observations in each of a bucket's eight sizes. */
const SIZES = [1, 2, 3, 5.5, 11, 22, 45, 100];

const stopped = new Float64Array(LEVELS * BUCKETS);
const reached = new Float64Array(LEVELS * BUCKETS);
for (const folder of process.argv.slice(2)) {
  const files = await gatherText(folder, INDEXED_BYTES);
  const index = new NgramIndex({ maximumBytes: INDEXED_BYTES });
  index.interpolation.memory = Number.POSITIVE_INFINITY;
  const scored = files.slice(0, SCORED_FILES);
  for (const { id, bytes } of withoutNearDuplicates(files.slice(SCORED_FILES), scored)) {
    index.setDocument(id, bytes, 'workspace');
  }
  const bitsPerByte = await scoreFiles(index, scored);
  process.stderr.write(`${folder}: ${files.length} files, ${bitsPerByte.toFixed(4)} bits per byte\n`);
  for (let i = 0; i < stopped.length; i++) {
    stopped[i] += index.interpolation.stopped[i];
    reached[i] += index.interpolation.reached[i];
  }
}
const weights = stopped.map((value, i) => {
  const size = SIZES[i % SIZES.length];
  const distinct = Math.floor((i % BUCKETS) / SIZES.length) + 1;
  return (value + (PRIOR * size) / (size + distinct)) / (reached[i] + PRIOR);
});
for (let level = 0; level < LEVELS; level++) {
  process.stdout.write(`  '${encodeWeights(weights.subarray(level * BUCKETS, (level + 1) * BUCKETS))}',\n`);
}
