import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { extendsSelection, type Suggestion, type TextChange } from '../../src/extension/liveSuggestion.ts';
import { createOutcomeTracker, type Outcome } from '../../src/extension/outcomeTracker.ts';

const uri = 'file:///a.ts';
const start = 100;

type Action =
  | { readonly offer: string; readonly text: string; readonly typed?: string; readonly tailLength?: number }
  | { readonly change: readonly TextChange[] }
  | { readonly type: string }
  | { readonly move: number }
  | { readonly command: string }
  | { readonly wait: number }
  | 'escape'
  | 'hide';

/** Runs the actions on a clock of its own and returns what was told, in short. */
function outcomesOf(actions: readonly Action[]): readonly string[] {
  const told: string[] = [];
  let now = 0;
  const timers = new Map<object, { at: number; run: () => void }>();
  const tracker = createOutcomeTracker({
    clock: {
      schedule(milliseconds, run) {
        const key = {};
        timers.set(key, { at: now + milliseconds, run });
        return () => timers.delete(key);
      },
    },
    shownAfterMs: () => 750,
    report: (outcome) => told.push(brief(outcome)),
  });
  let cursor = start;
  for (const action of actions) {
    if (action === 'escape') tracker.rejected();
    else if (action === 'hide') tracker.hidden();
    else if ('offer' in action) {
      const { offer: id, text: insertText, typed = '', tailLength = 0 } = action;
      cursor = start + typed.length;
      tracker.offered({ id, uri, offset: start, insertText, typed, tailLength });
    } else if ('change' in action) tracker.changed(uri, action.change);
    else if ('type' in action) {
      for (const text of action.type) {
        tracker.changed(uri, [{ offset: cursor, length: 0, text }]);
        cursor += text.length;
        tracker.cursorMoved(uri, cursor);
      }
    } else if ('move' in action) tracker.cursorMoved(uri, action.move);
    else if ('command' in action) tracker.accepted(action.command);
    else {
      now += action.wait;
      for (const [key, { at, run }] of timers) {
        if (at > now) continue;
        timers.delete(key);
        run();
      }
    }
  }
  return told;
}

function brief(outcome: Outcome): string {
  switch (outcome.kind) {
    case 'partlyAccepted':
      return `${outcome.id} partly ${outcome.acceptedLength}`;
    case 'discarded':
      return `${outcome.id} ${outcome.how}`;
    default:
      return `${outcome.id} ${outcome.kind}`;
  }
}

const insert = (text: string, at = start): Action => ({ change: [{ offset: at, length: 0, text }] });
const offer: Action = { offer: 'a', text: 'foo(bar)' };
const seen: Action = { wait: 750 };

function check(name: string, actions: readonly Action[], expected: readonly string[]): void {
  test(name, () => expect(outcomesOf(actions)).toEqual(expected));
}

describe('shown', () => {
  check('after the delay, not before', [offer, { wait: 749 }], []);
  check('once', [offer, seen, seen], ['a shown']);
  check(
    'still, when typed along meanwhile',
    [offer, { wait: 400 }, { type: 'fo' }, { wait: 350 }],
    ['a shown'],
  );
  check(
    'offered again under the same id counts from the first time',
    [offer, { wait: 400 }, offer, { wait: 350 }],
    ['a shown'],
  );
  check(
    'when another suggestion takes its place, the first is ignored',
    [offer, seen, { offer: 'b', text: 'x' }, seen],
    ['a shown', 'a ignored', 'b shown'],
  );
});

describe('accepted', () => {
  check(
    'Tab: the edit and then the command tell it once',
    [offer, seen, insert('foo(bar)'), { command: 'a' }],
    ['a shown', 'a accepted'],
  );
  check('at once: shown is told first', [offer, insert('foo(bar)')], ['a shown', 'a accepted']);
  check('by the command alone', [offer, { command: 'a' }, { command: 'a' }], ['a shown', 'a accepted']);
  check('typed through to the end', [offer, seen, { type: 'foo(bar)' }], ['a shown', 'a accepted']);
  check(
    'the final Tab after typing along replaces the typed part',
    [offer, { type: 'fo' }, { change: [{ offset: start, length: 2, text: 'foo(bar)' }] }, { command: 'a' }],
    ['a shown', 'a accepted'],
  );
  check(
    'what it replaces after the cursor goes with it',
    [
      { offer: 'a', text: 'foo(bar)', typed: 'fo', tailLength: 1 },
      { change: [{ offset: start, length: 3, text: 'foo(bar)' }] },
    ],
    ['a shown', 'a accepted'],
  );
  check(
    'in a document with CRLF',
    [{ offer: 'a', text: 'if {\n}' }, insert('if {\r\n}')],
    ['a shown', 'a accepted'],
  );
});

describe('partly accepted', () => {
  check(
    'lengths are cumulative',
    [offer, seen, insert('foo'), insert('(bar', start + 3)],
    ['a shown', 'a partly 3', 'a partly 7'],
  );
  check(
    'and then left: ignored, not rejected',
    [offer, seen, insert('foo'), insert('X', start + 3)],
    ['a shown', 'a partly 3', 'a ignored'],
  );
  check('single characters are typing', [offer, seen, { type: 'foo' }], ['a shown']);
});

describe('rejected', () => {
  check('Escape', [offer, seen, 'escape'], ['a shown', 'a rejected']);
  check('something else is typed', [offer, seen, { type: 'fx' }], ['a shown', 'a rejected']);
  check('Escape with nothing on display', ['escape'], []);
});

describe('ignored', () => {
  check('the cursor goes elsewhere', [offer, seen, { move: start + 1 }], ['a shown', 'a ignored']);
  check('text is selected', [offer, seen, { move: Number.NaN }], ['a shown', 'a ignored']);
  check('the editor goes', [offer, seen, 'hide'], ['a shown', 'a ignored']);
  check('the document changes in another place', [offer, seen, insert('x', 3)], ['a shown', 'a ignored']);
  check(
    'a bracket that the editor closes',
    [{ offer: 'a', text: '(bar)' }, seen, insert('()')],
    ['a shown', 'a ignored'],
  );
  check(
    'several cursors',
    [
      offer,
      seen,
      {
        change: [
          { offset: start, length: 0, text: 'f' },
          { offset: 3, length: 0, text: 'f' },
        ],
      },
    ],
    ['a shown', 'a ignored'],
  );
  check(
    'text before it is deleted',
    [offer, seen, { change: [{ offset: start - 1, length: 1, text: '' }] }],
    ['a shown', 'a ignored'],
  );
});

describe('censored: gone before it counts as shown', () => {
  check('Escape', [offer, 'escape', seen], ['a censored']);
  check('something else is typed', [offer, { type: 'x' }], ['a censored']);
  check('another takes its place', [offer, { offer: 'b', text: 'x' }, seen], ['a censored', 'b shown']);
});

test('typing any part and backspacing keeps it; what is left is what continues', () => {
  fc.assert(
    fc.property(fc.string({ minLength: 2 }), fc.nat(), (text, seed) => {
      const insertText = text.replaceAll('\r', '');
      fc.pre(insertText.length >= 2);
      const nTyped = 1 + (seed % (insertText.length - 1));
      const tracker = createOutcomeTracker({
        clock: { schedule: () => () => {} },
        shownAfterMs: () => 750,
        report: () => {},
      });
      tracker.offered({ id: 'a', uri, offset: start, insertText, typed: '', tailLength: 0 });
      for (let index = 0; index < nTyped; index++) {
        tracker.changed(uri, [{ offset: start + index, length: 0, text: insertText[index] }]);
      }
      expect(tracker.continuing(uri, start + nTyped)?.typed).toBe(insertText.slice(0, nTyped));
      expect(tracker.continuing(uri, start + nTyped - 1)).toBeNull();
      expect(tracker.continuing('file:///b.ts', start + nTyped)).toBeNull();
      tracker.changed(uri, [{ offset: start + nTyped - 1, length: 1, text: '' }]);
      expect(tracker.continuing(uri, start + nTyped - 1)?.typed).toBe(insertText.slice(0, nTyped - 1));
    }),
  );
});

describe('the selected entry of the suggest widget', () => {
  const text = 'const total = ord';
  const cases: readonly [
    string,
    Pick<Suggestion, 'offset' | 'insertText'>,
    { offset: number; text: string },
    boolean,
  ][] = [
    [
      'goes on from it',
      { offset: 17, insertText: 'erTotal(order)' },
      { offset: 14, text: 'orderTotal' },
      true,
    ],
    [
      'replaces the same word',
      { offset: 14, insertText: 'orderTotal(x)' },
      { offset: 14, text: 'orderTotal' },
      true,
    ],
    ['is another word', { offset: 17, insertText: 'inal' }, { offset: 14, text: 'orderTotal' }, false],
    ['is shorter', { offset: 17, insertText: 'er' }, { offset: 14, text: 'orderTotal' }, false],
    ['starts earlier', { offset: 6, insertText: 'total = orders' }, { offset: 14, text: 'orders' }, true],
  ];
  test.each(cases)('%s', (_, item, selection, expected) => {
    expect(extendsSelection(item, selection, (from, to) => text.slice(from, to))).toBe(expected);
  });
});
