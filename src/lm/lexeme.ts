import { END, SYMBOLS } from './symbols.ts';

/**
 * A lexeme is a run of symbols of one class: white space, a word (identifier, keyword or number; every byte
 * above ASCII counts as a letter, so a character is never split), or an operator run. END is a class of its own.
 * A step of the ensemble is a lexeme: a token in the programmer's sense, whatever the members' tokenizers do.
 */
export const lexemeClasses: Uint8Array = new Uint8Array(SYMBOLS);

export const lexemeClass = { none: 0, space: 1, word: 2, operator: 3, end: 4 } as const;

for (let symbol = 0; symbol < SYMBOLS; symbol++) lexemeClasses[symbol] = classOf(symbol);

function classOf(symbol: number): number {
  if (symbol === END) return lexemeClass.end;
  if (symbol <= 32) return lexemeClass.space;
  if (symbol > 127 || /[\w$]/.test(String.fromCharCode(symbol))) return lexemeClass.word;
  return lexemeClass.operator;
}
