import { describe, expect, test } from 'vitest';
import { editDistance } from '../../src/evaluation/typist.ts';
import { type Told, Watch } from '../../src/server/learning/watch.ts';
import { fakeClock } from '../support/fakeClock.ts';

const uri = 'file:///a.ts';

type Action =
  /** The text is offered at the █; `leading` as of `Offer`. */
  | { readonly offer: string; readonly start?: number; readonly leading?: number }
  | { readonly tell: Told }
  /** What stands between « and » is replaced, or the text put in at the █. */
  | { readonly edit: string; readonly to: string }
  | { readonly wait: number }
  | { readonly close: true };

/** What is told of one completion in a document while this happens; the text of the document holds a █ at first. */
function play(marked: string, actions: readonly Action[]): string[] {
  const told: string[] = [];
  const clock = fakeClock();
  let document: string | undefined = marked.replace('█', '');
  const watch = new Watch({
    schedule: clock.schedule,
    textOf: () => document,
    listener: {
      outcome: ({ kind, acceptedLength }) => told.push(`${kind} ${acceptedLength}`),
      survival: ({ after, retained }) => told.push(`${retained} after ${after}`),
      agreement: ({ agreedLength }) => told.push(`agrees ${agreedLength}`),
      text: (_, text) => told.push(`text ${JSON.stringify(text)}`),
    },
  });
  for (const action of actions) {
    if ('offer' in action) {
      const offset = marked.indexOf('█');
      const at = { uri, languageId: 'typescript', text: marked.replace('█', ''), offset };
      const { offer: text, start = offset, leading = 0 } = action;
      watch.offered({ id: 'a', at, text, start, leading });
    } else if ('tell' in action) watch.told('a', action.tell);
    else if ('wait' in action) clock.advance(1000 * action.wait);
    else if ('close' in action) {
      watch.closed(uri);
      document = undefined;
    } else {
      const before: string = document ?? '';
      const plain = action.edit.replace(/[«»█]/gu, '');
      expect(before).toBe(plain);
      const offset = action.edit.search(/[«█]/u);
      const length = action.edit.includes('»') ? action.edit.indexOf('»') - offset - 1 : 0;
      document = before.slice(0, offset) + action.to + before.slice(offset + length);
      watch.edited(uri, { offset, length, text: action.to, before, after: document });
    }
  }
  return told;
}

function check(name: string, marked: string, actions: readonly Action[], expected: readonly string[]): void {
  test(name, () => expect(play(marked, actions)).toEqual(expected));
}

const offer: Action = { offer: 'foo(bar)' };
const tell = (kind: Exclude<Told['kind'], 'partlyAccepted'>): Action => ({ tell: { kind } });
const shown = tell('shown');
const accepted = tell('accepted');
const part = (acceptedLength: number): Action => ({ tell: { kind: 'partlyAccepted', acceptedLength } });
const tab: Action = { edit: 'a = █;', to: 'foo(bar)' };
const stays = ['8 after 30', '8 after 120', '8 after 300'];

describe('an outcome', () => {
  check('accepted', 'a = █;', [offer, shown, tab, accepted], ['accepted 8']);
  check('told twice counts once', 'a = █;', [offer, shown, tab, accepted, accepted], ['accepted 8']);
  check('rejected', 'a = █;', [offer, shown, tell('rejected')], ['rejected 0']);
  check('ignored', 'a = █;', [offer, shown, tell('ignored'), tell('rejected')], ['ignored 0']);
  check('censored', 'a = █;', [offer, tell('censored'), { wait: 400 }], ['censored 0']);
  check(
    'of a document that is closed',
    'a = █;',
    [offer, shown, { close: true }, { wait: 400 }],
    ['ignored 0'],
  );
  check('none where it was never seen', 'a = █;', [offer, { wait: 400 }], []);
  check(
    'partly accepted is not undone by what becomes of the rest',
    'a = █;',
    [offer, shown, { edit: 'a = █;', to: 'foo' }, part(3), part(4), part(2), tell('ignored')],
    ['partlyAccepted 3', 'partlyAccepted 4'],
  );
  check(
    'the rest accepted makes it whole',
    'a = █;',
    [offer, part(3), accepted],
    ['partlyAccepted 3', 'accepted 8'],
  );
  check(
    'an earlier word is overruled by acceptance',
    'a = █;',
    [offer, tell('ignored'), accepted],
    ['ignored 0', 'accepted 8'],
  );
  check(
    'nobody tells an end: it was let be',
    'a = █;',
    [offer, shown, { wait: 299 }, { wait: 1 }],
    ['ignored 0'],
  );
  check(
    'nobody tells an end: it was typed out',
    'a = █;',
    [offer, shown, tab, { wait: 300 }],
    ['accepted 8'],
  );
});

describe('lengths', () => {
  check(
    'do not count what the suggest widget had selected',
    'a = f█;',
    [{ offer: '(bar)', start: 4, leading: 3 }, part(5)],
    ['partlyAccepted 2'],
  );
  check(
    'count what had been typed when the rest was offered again',
    'a = █;',
    [offer, { edit: 'a = █;', to: 'fo' }, { offer: 'foo(bar)', start: 6, leading: -2 }, part(3)],
    ['partlyAccepted 5'],
  );
});

describe('what survives', () => {
  const after = (name: string, edits: readonly Action[], expected: readonly string[]) =>
    check(name, 'a = █;', [offer, tab, accepted, ...edits, { wait: 30 }], ['accepted 8', ...expected]);

  check(
    'is looked at three times',
    'a = █;',
    [offer, tab, accepted, { wait: 1000 }],
    ['accepted 8', ...stays],
  );
  check(
    'counts from the acceptance',
    'a = █;',
    [offer, shown, { wait: 20 }, tab, accepted, { wait: 29 }, { wait: 1 }],
    ['accepted 8', '8 after 30'],
  );
  check(
    'is found where the edit comes after the word of it',
    'a = █;',
    [offer, accepted, tab, { wait: 30 }],
    ['accepted 8', '8 after 30'],
  );
  check(
    'is nothing where the edit never comes',
    'a = █;',
    [offer, accepted, { wait: 30 }],
    ['accepted 8', '0 after 30'],
  );
  after(
    'follows edits above',
    [{ edit: '█a = foo(bar);', to: 'x\ny\n' }],
    ['8 after 30', 'text "foo(bar)"', 'agrees 8'],
  );
  after('follows edits of its line', [{ edit: '«a» = foo(bar);', to: 'longer' }], ['8 after 30']);
  after(
    'does not grow at its ends',
    [
      { edit: 'a = foo(bar)█;', to: '.baz' },
      { edit: 'a = █foo(bar).baz;', to: 'await ' },
    ],
    ['8 after 30'],
  );
  after('loses what is changed in it', [{ edit: 'a = foo(«bar»);', to: 'qux' }], ['5 after 30']);
  after('keeps what stands beside a cut', [{ edit: 'a =« fo»o(bar);', to: '' }], ['6 after 30']);
  after('loses what is cut off its end', [{ edit: 'a = foo(ba«r);»', to: '' }], ['6 after 30']);
  after('is gone when more than half has changed', [{ edit: 'a = f«oo(ba»r);', to: '_' }], ['0 after 30']);
  after('is there when half has changed', [{ edit: 'a = fo«o(ba»r);', to: '' }], ['4 after 30']);
  after(
    'is gone when it was replaced by a book',
    [{ edit: 'a = foo█(bar);', to: 'x'.repeat(1e6) }],
    ['0 after 30'],
  );
  after('is gone when its line is deleted', [{ edit: '«a = foo(bar);»', to: '' }], ['0 after 30']);
  after(
    'is there when it was cut and put in elsewhere',
    [
      { edit: '«a = foo(bar);»', to: '' },
      { edit: '█', to: 'function f() {}' },
      { edit: 'function f() {█}', to: ' a = foo(bar); ' },
    ],
    ['8 after 30'],
  );
  after(
    'is there when a formatter sets all anew',
    [{ edit: '«a = foo(bar);»', to: '  a = foo(bar);\n' }],
    ['8 after 30'],
  );
  check(
    'of a part is of that part',
    'a = █;',
    [offer, { edit: 'a = █;', to: 'foo' }, part(3), { edit: 'a = foo█;', to: 'bar' }, { wait: 30 }],
    ['partlyAccepted 3', '3 after 30'],
  );
});

describe('the text that stands there', () => {
  const line = (name: string, marked: string, actions: readonly Action[], expected: readonly string[]) =>
    check(name, marked, [{ offer: 'foo' }, shown, ...actions], expected);

  line(
    'is told once the line is left',
    'a = █\n',
    [
      { edit: 'a = █\n', to: 'bar' },
      { wait: 30 },
      { edit: 'a = bar\n█', to: 'x' },
      { wait: 90 },
      { wait: 180 },
    ],
    ['text "bar"', 'ignored 0', 'agrees 0'],
  );
  line(
    'leaves out what had stood after it',
    'a = █;\nb\n',
    [
      { edit: 'a = █;\nb\n', to: 'bar  ' },
      { edit: 'a = bar  ;\nb█\n', to: 'x' },
      tell('rejected'),
      { wait: 30 },
    ],
    ['rejected 0', 'text "bar  "', 'agrees 0'],
  );
  line(
    'agrees with what was rejected, as far as the same was typed',
    'a = █;\nb\n',
    [
      tell('rejected'),
      { edit: 'a = █;\nb\n', to: 'foo.x' },
      { edit: 'a = foo.x;\nb█\n', to: 'x' },
      { wait: 30 },
      { wait: 90 },
    ],
    ['rejected 0', 'text "foo.x"', 'agrees 3'],
  );
  line(
    'ends with the line that Enter ends',
    'a = █',
    [{ edit: 'a = █', to: 'x\n' }, { wait: 30 }],
    ['text "x"'],
  );
  line(
    'is unknown where what stood after it has changed',
    'a = █;\n',
    [{ edit: 'a = «;»\n', to: ',' }, { edit: 'a = ,\n█', to: 'x' }, { wait: 30 }],
    [],
  );
  line(
    'is unknown where what stood before it has changed',
    'a = █\n',
    [{ edit: '«a» = \n', to: 'b' }, { edit: 'b = \n█', to: 'x' }, { wait: 30 }],
    [],
  );
  line('is found below new lines', 'a = █\n', [{ edit: '█a = \n', to: '\n\n' }, { wait: 30 }], ['text ""']);
});

test('the edit distance is that of Levenshtein', () => {
  expect(
    ['kitten sitting', 'a ', ' abc', 'flaw lawn'].map((pair) => {
      const [from, to] = pair.split(' ');
      return editDistance(from, to);
    }),
  ).toEqual([3, 1, 3, 2]);
});
