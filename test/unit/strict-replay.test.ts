import { expect, test } from 'vitest';
import { differs, junitText } from '../../client/commands/junit-text.ts';
import type { Verdict } from '../../client/commands/replay-runs.ts';
import { differenceText } from '../../testing/replay/difference-text.ts';
import type { ReplayDifference } from '../../testing/replay/difference.ts';
import { firstDifference } from '../../testing/replay/first-difference.ts';
import { toValue } from '../../testing/replay/plain-values.ts';

const difference: ReplayDifference = {
  run: 'support-1',
  execution: 2,
  eventId: 41,
  position: '7.2',
  positionIs: 'its-own',
  what: 'value',
  command: 'activity runTool',
  path: 'input[0].arguments',
  recorded: '{"amount":80}',
  today: '{"amount":8}',
};

test('the first difference of two values is told with the path to it', () => {
  const before = { a: [1, { b: 'x' }], c: null };
  expect(firstDifference(before, { c: null, a: [1, { b: 'x' }] })).toBeUndefined();
  expect(firstDifference(before, { a: [1, { b: 'y' }], c: null })).toEqual({
    path: 'a[1].b',
    recorded: 'x',
    today: 'y',
  });
  expect(firstDifference(before, { a: [1], c: null })).toMatchObject({ path: 'a[1]' });
  expect(firstDifference({ a: 1 }, { a: 1, b: null })).toEqual({
    path: 'b',
    recorded: undefined,
    today: null,
  });
  expect(firstDifference([], {})).toEqual({ path: '', recorded: [], today: {} });
  expect(firstDifference({}, JSON.parse('{"__proto__":1}'), 'input')).toMatchObject({
    path: 'input.__proto__',
    today: 1,
  });
});

test('a stored value that is no JSON is compared by its bytes', () => {
  const bytes = (text: string) => new Uint8Array(Buffer.from(text));
  const encoded = (encoding: string, data: string) =>
    toValue({ metadata: { encoding: bytes(encoding) }, data: bytes(data) });
  expect(encoded('json/plain', '{"a":1}')).toEqual({ a: 1 });
  expect(encoded('json/plain', '{"a":')).toEqual({ encoding: 'json/plain', notJson: '{"a":' });
  expect(encoded('binary/null', '')).toBeNull();
  expect(encoded('binary/encrypted', 'abc')).toEqual({
    encoding: 'binary/encrypted',
    base64: 'YWJj',
  });
});

test('a difference is told with its place, and its sides below each other', () => {
  expect(differenceText(difference)).toBe(
    [
      'Run support-1 differs at 7.2: activity runTool with another value.',
      '  execution 2, event 41, input[0].arguments',
      '  recorded  "{\\"amount\\":80}"',
      '  today     "{\\"amount\\":8}"',
    ].join('\n'),
  );
  expect(differenceText({ ...difference, positionIs: 'before' })).toContain('differs behind 7.2');
  expect(differenceText({ ...difference, recorded: 'x'.repeat(9_000) })).toContain(
    '(9002 characters)',
  );
});

test('a JUnit report counts what differs, what failed and what was not replayed, and is always XML', () => {
  const counts = { run: 'r', runs: 1, executions: 1, events: 1, commands: 1 };
  const verdicts: Verdict[] = [
    { id: 'same', agent: 'a', ms: 10, kind: 'replayed', replayed: counts },
    { id: 'other', agent: 'a', ms: 10, kind: 'replayed', replayed: { ...counts, difference } },
    { id: 'gone', agent: '<a>', ms: 1, kind: 'not-held', because: 'R&D "said"\u0000\ud800' },
    { id: 'bad', agent: 'a', ms: 1, kind: 'failed', because: 'died' },
    { id: 'late', agent: 'a', ms: 0, kind: 'not-reached' },
  ];
  const report = junitText(verdicts);
  expect(report).toContain('tests="5" failures="1" errors="1" skipped="2"');
  expect(report).toContain('classname="&lt;a&gt;" name="gone"');
  expect(report).toContain('message="R&amp;D &quot;said&quot;\ufffd\ufffd"');
  expect(report).toContain('recorded  &quot;{\\&quot;amount\\&quot;:80}&quot;');
  expect(verdicts.filter(differs).map(({ id }) => id)).toEqual(['other']);
});
