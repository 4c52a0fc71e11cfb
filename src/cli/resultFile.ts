import { readFile } from 'node:fs/promises';
import { basename } from 'node:path';
import * as z from 'zod';
import { Failure, reasonOf } from './failures.ts';

/** JSON has no NaN: what was not measured is null there. */
const measured = z
  .number()
  .nullable()
  .transform((value) => value ?? Number.NaN);
const interval = z.object({ mean: measured, low: measured, high: measured });
const shown = z.object({ exactLine: measured, acceptRate: measured, keystrokesSaved: measured });

const metricsSchema = z.object({
  positions: z.int(),
  bitsPerByte: measured,
  exactLine: measured,
  firstLexeme: measured,
  editSimilarity: measured,
  acceptedCharacters: measured,
  acceptRate: measured,
  shownRate: measured,
  keystrokesSaved: measured,
  reward: measured,
  atShownRate: z.object({ 25: shown, 50: shown, 100: shown }),
  intervals: z.object({ bitsPerByte: interval, exactLine: interval, reward: interval }),
  latencyMs: z.object({ p50: measured, p95: measured }),
  forwardsPerByte: measured,
  policyMicroseconds: measured,
  leftPaths: measured,
});

const partSchema = z.object({
  corpus: z.object({ files: z.int(), positions: z.int(), bytes: z.int() }),
  policies: z.record(z.string(), metricsSchema),
  comparisons: z.array(
    z.object({
      name: z.string(),
      against: z.string(),
      bitsPerByte: interval,
      exactLine: interval,
      reward: interval,
      positions: z.int(),
    }),
  ),
});

const resultSchema = partSchema.extend({
  seeds: z.array(z.int()),
  packages: z.array(z.string()),
  members: z.array(z.object({ id: z.string(), kind: z.string() })),
  learned: z.array(z.string()),
  languages: z.record(z.string(), partSchema),
});

/** What one run of `evaluate --json` found, for all cursors or for those of one language. */
export type ResultPart = z.output<typeof partSchema>;
export type ResultMetrics = z.output<typeof metricsSchema>;
/** A document of `evaluate --json`, under the name of its file. */
export type Result = z.output<typeof resultSchema> & { readonly title: string };

/** Throws a Failure where the file is no result. */
export async function readResult(path: string): Promise<Result> {
  let text: string;
  try {
    text = await readFile(path, 'utf8');
  } catch (error) {
    throw new Failure(`cannot read ${path}: ${reasonOf(error)}.`);
  }
  let json: unknown;
  try {
    json = JSON.parse(text);
  } catch {
    throw new Failure(`${path} is not JSON. Make it with consort evaluate --json --out ${path}.`);
  }
  const parsed = resultSchema.safeParse(json);
  if (parsed.success) return { ...parsed.data, title: basename(path, '.json') };
  const [{ path: place, message }] = parsed.error.issues;
  throw new Failure(
    `${path} is not a result of this version (${place.join('.')}: ${message}). Make it again with consort evaluate --json.`,
  );
}
