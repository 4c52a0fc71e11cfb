/**
 * Where in a program's text a place is, as far as a scan byte by byte can tell: comments of C's family or with #,
 * strings that end with their line, template literals, Python's triple quotes. It knows no regular expressions.
 */
export class LexicalState {
  #hasHashComments = false;
  #mode: number = mode.code;
  /** The byte that ends the string at hand, and how often it must stand in a row. */
  #quote = 0;
  #quotesNeeded = 1;
  /** How many of the same quote stand in a row up to here. */
  #quoteRun = 0;
  #isEscaped = false;
  /** 0 where the last byte is the end or the beginning of something and no part of what follows. */
  #previous = 0;
  #column = 0;
  #indentation = 0;
  #isInIndentation = true;

  /** At the start of a text in this language (VS Code's identifier). */
  begin(languageId: string): void {
    this.#hasHashComments = hashLanguages.has(languageId);
    this.#enter(mode.code);
    this.#quote = 0;
    this.#quoteRun = 0;
    this.#endLine();
  }

  get isInString(): boolean {
    return this.#mode === mode.string || this.#mode === mode.longString;
  }

  get isInComment(): boolean {
    return this.#mode === mode.lineComment || this.#mode === mode.blockComment;
  }

  /** Bytes since the last line break. */
  get column(): number {
    return this.#column;
  }

  /** Width of the white space that the line starts with; a tab counts 4. */
  get indentation(): number {
    return this.#indentation;
  }

  push(byte: number): void {
    if (byte === newline) {
      if (this.#mode === mode.lineComment || this.#mode === mode.string) this.#enter(mode.code);
      this.#endLine();
      return;
    }
    this.#column++;
    this.#isInIndentation &&= byte === space || byte === tab;
    if (this.#isInIndentation) this.#indentation += byte === tab ? 4 : 1;

    const previous = this.#previous;
    this.#previous = byte;
    if (isQuote(byte) && !this.#isEscaped) {
      this.#quoteRun = byte === this.#quote ? this.#quoteRun + 1 : 1;
      this.#stepAtQuote(byte);
      return;
    }
    this.#quoteRun = 0;
    if (this.#isEscaped) this.#isEscaped = false;
    else if (this.isInString) this.#isEscaped = byte === backslash;
    else if (this.#mode === mode.blockComment) {
      if (previous === asterisk && byte === slash) this.#enter(mode.code);
    } else if (this.#mode === mode.code) {
      if (this.#hasHashComments) {
        if (byte === hash) this.#enter(mode.lineComment);
      } else if (previous === slash && byte === slash) this.#enter(mode.lineComment);
      else if (previous === slash && byte === asterisk) this.#enter(mode.blockComment);
    }
  }

  #stepAtQuote(byte: number): void {
    if (this.#mode === mode.code) {
      // The third of three: the first two looked like an empty string.
      const isTriple = this.#hasHashComments && this.#quoteRun === 3;
      const isLong = isTriple || byte === backtick;
      this.#enter(isLong ? mode.longString : mode.string);
      this.#quote = byte;
      this.#quotesNeeded = isTriple ? 3 : 1;
      if (isLong) this.#quoteRun = 0;
    } else if (this.isInString && byte === this.#quote && this.#quoteRun >= this.#quotesNeeded) {
      const isLong = this.#mode === mode.longString;
      this.#enter(mode.code);
      if (isLong) this.#quoteRun = 0;
    }
  }

  #enter(next: number): void {
    this.#mode = next;
    this.#isEscaped = false;
    this.#previous = 0;
    this.#quotesNeeded = 1;
  }

  #endLine(): void {
    this.#column = 0;
    this.#indentation = 0;
    this.#isInIndentation = true;
    this.#isEscaped = false;
    this.#previous = 0;
    this.#quoteRun = 0;
  }
}

const mode = { code: 0, lineComment: 1, blockComment: 2, string: 3, longString: 4 } as const;

const hashLanguages = new Set(['python', 'shellscript', 'ruby', 'yaml', 'toml', 'r', 'perl', 'makefile']);

const newline = 0x0a;
const tab = 0x09;
const space = 0x20;
const hash = 0x23;
const asterisk = 0x2a;
const slash = 0x2f;
const backslash = 0x5c;
const backtick = 0x60;

function isQuote(byte: number): boolean {
  return byte === 0x22 || byte === 0x27 || byte === backtick;
}
