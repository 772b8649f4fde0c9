import { expect, test } from 'vitest';
import { diffText, someCallsText } from '../../client/commands/diff-text.ts';
import { fieldLines, widthOf } from '../../client/commands/diff-columns.ts';
import { cutAroundDifference, valueText } from '../../client/commands/diff-cut.ts';
import { compareTrails } from '../../client/diff/compare-trails.ts';
import type { ToolTrailCall, Trail } from '../../client/diff/trail.ts';
import { limits } from '../../contracts/limits.ts';

const tool = (position: string, result: unknown, more: Partial<ToolTrailCall> = {}): ToolTrailCall => ({ kind: 'tool', position, tool: 'order', state: 'done', attempts: [{ outcome: 'ok' }], costMicroUsd: 0, arguments: { id: 'A-1' }, result, ...more }); // prettier-ignore
const trail = (run: string, calls: readonly ToolTrailCall[], output = 'out'): Trail => ({
  head: { run, agent: 'support', customer: '', from: 'run', definition: 'd', redactedValues: 0 },
  end: { state: 'done', outcome: { kind: 'done', output: run, bytes: 1 }, output, steps: 2, costMicroUsd: 100, tokens: 40, ceilingMicroUsd: 1_000 },
  calls,
  prompts: new Map(),
}); // prettier-ignore
const linesOf = (text: string): readonly string[] => text.split('\n');

test('runs stand side by side from where they part, and what is before it is one line', () => {
  const a = trail('run-a', [tool('1.1', 'same'), tool('2.1', { state: 'shipped' }), tool('3.1', 'x')]);
  const b = trail('run-b', [tool('1.1', 'same'), tool('2.1', { state: 'lost' })], 'another');
  expect(diffText(compareTrails(a, b), { width: 80, isWhole: false })).toBe(`\
A  run-a  support, done
B  run-b  support, done

The first call is the same.
They part at 2.1.

2.1  tool order: result.state
  tool      order                            │ order
  arguments {"id":"A-1"}                     │ {"id":"A-1"}
≠ result    {"state":"shipped"}              │ {"state":"lost"}

3.1  tool order: only A
≠ tool      order                            │ -
≠ arguments {"id":"A-1"}                     │ -
≠ result    x                                │ -

         A          B          difference
outcome  done       done
steps    2          2
cost     $0.000100  $0.000100
ceiling  $0.001000  $0.001000
tokens   40         40

≠ output    out                              │ another`);
}); // prettier-ignore

test('a narrow terminal has one side below the other', () => {
  const diff = compareTrails(trail('a', [tool('1.1', 'x'.repeat(50))]), trail('b', [tool('1.1', 'yes')])); // prettier-ignore
  const lines = linesOf(someCallsText(diff, { width: 30, isWhole: true })).slice(4);
  expect(lines).toEqual([
    '  tool',
    '  = order',
    '  arguments',
    '  = {"id":"A-1"}',
    '≠ result',
    `  A ${'x'.repeat(26)}`,
    `    ${'x'.repeat(24)}`,
    '  B yes',
    '  tries',
    '  = 1: ok',
  ]);
});

test.each([20, 79, 80, 100, 200])('no line of values is wider than a terminal of %i columns', (width) => {
  const texts = ['word '.repeat(60), '注文は発送済みです。'.repeat(20), 'e\u0301'.repeat(90), '📦'.repeat(60), 'a\tb\n\n   c'];
  for (const a of texts)
    for (const b of texts)
      for (const line of fieldLines([{ label: 'arguments', differs: a !== b, a, b }], width))
        expect(widthOf(line)).toBeLessThanOrEqual(width);
}); // prettier-ignore

test('columns stay in line behind characters that are two columns wide', () => {
  const lines = fieldLines([{ label: 'result', differs: true, a: '発送\nok', b: 'x\ny' }], 80);
  expect(lines.map((line) => widthOf(line.slice(0, line.indexOf('│'))))).toEqual([45, 45]);
});

test('long values are cut at the same place, around the first difference, and say how much is left out', () => {
  const before = 'a'.repeat(2_000);
  const [one, other] = cutAroundDifference([`${before}X${'b'.repeat(3_000)}`, `${before}Y`]);
  const kept = limits.diffBeforeCharsMax;
  expect(one).toBe(`[… ${(2_000 - kept).toLocaleString('en-US')} characters] ${'a'.repeat(kept)}X${'b'.repeat(limits.diffValueCharsMax - kept - 1)} [… ${(3_000 - limits.diffValueCharsMax + kept + 1).toLocaleString('en-US')} characters]`); // prettier-ignore
  expect(other).toBe(`[… 1,880 characters] ${'a'.repeat(kept)}Y`);
  expect(cutAroundDifference(['short', undefined])).toEqual(['short', undefined]);
  // Never half of a character.
  for (const shift of ['', 'a']) {
    const begun = `${'📦'.repeat(500)}${shift}`;
    const [emoji] = cutAroundDifference([`${begun}X${'📦'.repeat(500)}`, `${begun}Y`]);
    expect(Buffer.from(emoji ?? '').toString()).toBe(emoji);
  }
});

test('values whose keys came in another order stand alike', () => {
  expect(valueText({ b: 1, a: [2] })).toBe(valueText({ a: [2], b: 1 }));
  expect(valueText({ long: 'x'.repeat(50) })).toBe(`{\n  "long": "${'x'.repeat(50)}"\n}`);
});

test('what a run says can neither steer the terminal nor pass for a line of the diff', () => {
  const hostile = '\u001b[2J\u001b]0;owned\u0007\u202eevil\u200b\r\n1.2  tool order: the same';
  const call = tool(hostile, { [hostile]: hostile }, { tool: hostile, arguments: hostile });
  const a = trail(hostile, [tool('1.1', hostile), call], hostile);
  const head = { ...a.head, agent: hostile, customer: hostile, parent: hostile, definition: hostile, fork: { run: hostile, at: hostile } }; // prettier-ignore
  const diff = compareTrails({ ...a, head }, trail('b', [tool('1.1', `${hostile}!`)]));
  for (const isWhole of [true, false])
    for (const width of [40, 120])
      for (const text of [diffText(diff, { width, isWhole }), someCallsText(diff, { width, isWhole })]) {
        expect(text).not.toMatch(/(?!\n)\p{Cc}|\p{Cf}/u);
        expect(text).toContain('\\u{1b}');
        expect(linesOf(text).filter((line) => line.startsWith('1.2  tool'))).toEqual([]);
      }
}); // prettier-ignore

test('runs that are the same say so in one line, and what differs beside', () => {
  const a = trail('a', [tool('1.1', 'x'), tool('1.2', 'y')]);
  const b = trail('b', [tool('1.1', 'x'), tool('1.2', 'y', { attempts: [{ outcome: 'lost' }, { outcome: 'ok' }] })]); // prettier-ignore
  const text = diffText(compareTrails(a, b), { width: 100, isWhole: false });
  expect(text).toContain('All 2 calls are the same, and what they came to.\nBeside that differ: tries, at 1.2.'); // prettier-ignore
  expect(text).not.toContain('tool order');
  expect(diffText(compareTrails(a, b), { width: 100, isWhole: true })).toContain('≠ tries     1: ok                                      │ 2: lost, ok'); // prettier-ignore
});
