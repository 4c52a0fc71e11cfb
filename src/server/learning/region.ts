/** A stretch of a document, in UTF-16 units. */
export interface Region {
  readonly start: number;
  readonly end: number;
}

/** One replacement in a document. */
export interface TextEdit {
  readonly offset: number;
  /** Units that it takes away. */
  readonly length: number;
  readonly text: string;
}

/** Where an offset stands after an edit. One at which text is put in stays before it. */
export function moveOffset(at: number, { offset, length, text }: TextEdit): number {
  if (offset >= at) return at;
  return offset + length <= at ? at + text.length - length : offset;
}

/**
 * Where a text stands after an edit; what was put in at its borders is not part of it. Null where it was taken away as a
 * whole and is not in what stands in its place.
 *
 * @param now the text that stands in the region before the edit
 */
export function moveRegion({ start, end }: Region, edit: TextEdit, now: string): Region | null {
  const { offset, length, text } = edit;
  const editEnd = offset + length;
  const shift = text.length - length;
  if (editEnd <= start) return { start: start + shift, end: end + shift };
  if (offset >= end) return { start, end };
  if (offset <= start && editEnd >= end) return within(edit, now);
  // The edit reaches over one border or neither; what it puts in belongs to the text only in the latter case.
  if (offset < start) return { start: offset + text.length, end: end + shift };
  return editEnd > end ? { start, end: offset } : { start, end: end + shift };
}

/** Where a text stands in what an edit puts in. */
export function within({ offset, text }: Pick<TextEdit, 'offset' | 'text'>, wanted: string): Region | null {
  const at = wanted === '' ? -1 : text.indexOf(wanted);
  return at < 0 ? null : { start: offset + at, end: offset + at + wanted.length };
}
