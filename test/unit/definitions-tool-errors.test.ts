import { expect, test } from 'vitest';
import { NotDone, ToolError } from '../../definitions/index.ts';
import { isNotDone, isToolError } from '../../definitions/internal.ts';

test('a tool error carries what the model may know', () => {
  const cause = new Error('socket');
  const error = new ToolError('order_not_found', { message: 'No A-17.', hint: 'Ask.', cause });
  expect(error).toMatchObject({ code: 'order_not_found', hint: 'Ask.', retryable: false, cause });
  expect(error.message).toBe('No A-17.');
  expect(new ToolError('busy', { retryable: true })).toMatchObject({
    message: 'busy',
    retryable: true,
  });
});

test('the two kinds are told apart, and other errors are neither', () => {
  expect([isToolError(new ToolError('a')), isNotDone(new ToolError('a'))]).toEqual([true, false]);
  expect([isToolError(new NotDone('a')), isNotDone(new NotDone('a'))]).toEqual([false, true]);
  for (const other of [new Error('a'), undefined, null, 'a', {}]) {
    expect([isToolError(other), isNotDone(other)]).toEqual([false, false]);
  }
});

test('an error of another copy of the package is recognised', () => {
  expect(isToolError({ [Symbol.for('belayer.tool-error')]: 1 })).toBe(true);
  expect(isNotDone({ [Symbol.for('belayer.not-done')]: 1 })).toBe(true);
});

test.each(['', 'Not-Found', 'a b', 'x'.repeat(65), 7])(
  'a code is lower case words: %s is none',
  (code) => {
    expect(() => new ToolError(code as string)).toThrow('must be 1 to 64 of a-z, 0-9 and _');
    expect(() => new NotDone(code as string)).toThrow('NotDone: code');
  },
);
