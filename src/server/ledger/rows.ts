import * as z from 'zod';

/** float32, little-endian as on every platform that is supported. */
export const floats = z
  .instanceof(Uint8Array)
  .refine(({ byteLength }) => byteLength % 4 === 0, 'must be whole float32 numbers')
  .transform((bytes) => new Float32Array(bytes.slice().buffer));

/** A list of member ids, as JSON. */
export const memberIds = z
  .string()
  .transform((text): unknown => JSON.parse(text))
  .pipe(z.array(z.string()).readonly());

/** Named numbers, as JSON; null where a number is not finite. */
export const namedNumbers = z
  .string()
  .transform((text): unknown => JSON.parse(text))
  .pipe(z.record(z.string(), z.number().nullable()).readonly());

export type NamedNumbers = Readonly<Record<string, number | null>>;

/** Throws where a name is not a plain identifier: the ledger takes no free text. */
export function namedNumbersText(numbers: Readonly<Record<string, number | null>>): string {
  for (const name of Object.keys(numbers)) {
    if (!/^[\w.]{1,64}$/.test(name))
      throw new Error('a number in the ledger needs an identifier as its name');
  }
  return JSON.stringify(numbers);
}

/** Editors may call a language anything; what is no identifier is no language. */
export function languageName(languageId: string): string {
  return /^[\w.+#-]{1,64}$/.test(languageId) ? languageId : 'other';
}
