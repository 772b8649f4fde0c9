import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { chooseAgent } from '../../client/commands/choose-agent.ts';
import {
  exitCode,
  exitCodeOfError,
  exitCodeOfOutcome,
  WrongUsage,
} from '../../client/commands/exit-codes.ts';
import { parseRunWords } from '../../client/commands/parse-run-words.ts';
import { describeError, runProgram } from '../../client/commands/program.ts';
import { readRunInput } from '../../client/commands/read-run-input.ts';
import { BelayerError, failureType } from '../../contracts/failures.ts';
import { defineAgent, defineApp } from '../../definitions/internal.ts';
import { aTerminal } from '../support/a-terminal.ts';

const folder = mkdtempSync(join(tmpdir(), 'belayer-cli-'));
writeFileSync(join(folder, 'agent.ts'), '');

test.each([
  ['--help', exitCode.done],
  ['--version', exitCode.done],
  ['run --help', exitCode.done],
  ['', exitCode.wrongUsage],
  ['aprove x 1/approval', exitCode.wrongUsage],
  ['halt some-run', exitCode.wrongUsage],
  ['show', exitCode.wrongUsage],
  ['runs --limit 0', exitCode.wrongUsage],
  ['runs --limit 1.5', exitCode.wrongUsage],
  ['run agent.ts hello --cost-usd 0', exitCode.wrongUsage],
  ['show some-run --prompt', exitCode.wrongUsage],
  ['show some-run --step 1 --position 1.1', exitCode.wrongUsage],
  ['show some-run --position 1.x', exitCode.wrongUsage],
  ['run nothing.ts hello', exitCode.wrongUsage],
  ['deployments promote', exitCode.wrongUsage],
  ['deployments promote two --ramp 101', exitCode.wrongUsage],
  ['deployments promote two', exitCode.wrongUsage],
  ['deployments move --to two', exitCode.wrongUsage],
  ['deployments promote a:b --deployment shop', exitCode.wrongUsage],
  ['deployments list --deployment shop.one', exitCode.wrongUsage],
  ['deployments move some-run --to a:b --deployment shop', exitCode.wrongUsage],
  ['worker --app nothing.ts', exitCode.wrongUsage],
  ['rerun', exitCode.wrongUsage],
  ['rerun some-run --since 1d', exitCode.wrongUsage],
  ['rerun some-run --sample 3', exitCode.wrongUsage],
  ['rerun some-run --mode loose', exitCode.wrongUsage],
  ['rerun some-run --live order', exitCode.wrongUsage],
  ['rerun some-run --after 3', exitCode.wrongUsage],
  ['rerun --since 1d --seed 3', exitCode.wrongUsage],
  ['rerun --since 1d --until 2d --app agent.ts', exitCode.wrongUsage],
  ['rerun --since 1d --mode live-after --at-once 99', exitCode.wrongUsage],
  ['rerun --file nothing.jsonl', exitCode.wrongUsage],
  ['rerun --compare one.jsonl', exitCode.wrongUsage],
  ['rerun --compare none.jsonl nothing.jsonl', exitCode.wrongUsage],
])('`belayer %s` ends with %i', async (line, code) => {
  const terminal = aTerminal({ folder });
  expect(await runProgram(line.split(' ').filter(Boolean), terminal)).toBe(code);
  expect(terminal.errors()).not.toMatch(/^\s+at /m);
});

test('names that no worker may have are told with the rule for names', async () => {
  const terminal = aTerminal();
  await runProgram(['deployments', 'promote', 'two', '--deployment', 'a b'], terminal);
  await runProgram(['deployments', 'promote', 'a:b', '--deployment', 'shop'], terminal);
  expect(terminal.errors()).toContain('The deployment, `a b`, cannot be one: a name must be letters, digits, _ and -,'); // prettier-ignore
  expect(terminal.errors()).toContain('The build, `a:b`, cannot be one: a name must be letters, digits, ., _ and -,'); // prettier-ignore
});

test('a word that is no command of deployments is told with those that there are', async () => {
  const terminal = aTerminal();
  expect(await runProgram(['deployments', 'bogus'], terminal)).toBe(exitCode.wrongUsage);
  expect(terminal.errors()).toContain('`bogus` is no command of `belayer deployments`: list, promote, rollback, move.'); // prettier-ignore
});

const historyFile = fileURLToPath(new URL('../replay/histories/answer.json', import.meta.url));
const changed = '["AAAA","recording","some-run","",{}]\n';

test.each([
  ['rerun --file FILE --app agent.ts', 'It is no recording', '{}'],
  ['rerun --file FILE --app agent.ts', 'Line 1', changed],
  ['replay --file FILE', 'A history is JSON; this is not', ''],
  ['replay --file FILE', 'A history has `events`', '{}'],
  ['replay --file FILE', 'Line 1', changed],
  ['diff FILE FILE', 'It is no recording', '{}'],
  ['diff FILE FILE', 'Line 1', changed],
  ['diff FILE FILE', 'in the form from before version 1', readFileSync(historyFile, 'utf8')],
])('`belayer %s` names the file where it says `%s`, and ends with 2', async (line, said, text) => {
  writeFileSync(join(folder, 'given.jsonl'), text);
  const terminal = aTerminal({ folder, environment: { BELAYER_DATA: join(tmpdir(), 'belayer-test-bundles') } }); // prettier-ignore
  const words = line.replaceAll('FILE', 'given.jsonl').split(' ');
  expect(await runProgram(words, terminal)).toBe(exitCode.wrongUsage);
  expect(terminal.errors()).toContain(`${join(folder, 'given.jsonl')}: `);
  expect(terminal.errors()).toContain(said);
});

test('a command that is misspelt is told what was probably meant, on stderr', async () => {
  const terminal = aTerminal();
  await runProgram(['aprove', 'x', '1/approval'], terminal);
  expect(terminal.errors()).toContain('Did you mean approve?');
  expect(terminal.output()).toBe('');
});

test('only commands that exist are listed', async () => {
  const terminal = aTerminal();
  await runProgram(['--help'], terminal);
  const listed = [...terminal.output().matchAll(/^ {2}([a-z]+) .*$/gm)].map((match) => match[1]);
  expect(listed).toEqual(expect.arrayContaining(['run', 'worker', 'dev', 'runs', 'show', 'halt']));
  expect(listed).not.toContain('console');
});

test('the first word is the application where it ends like a file, and the rest is the input', () => {
  const parse = (words: string[], app?: string) => parseRunWords(words, { app, folder });
  expect(parse(['agent.ts', 'Where', 'is A-17?'])).toEqual({
    file: 'agent.ts',
    text: 'Where is A-17?',
  });
  expect(parse(['Look at agent.ts'])).toEqual({ file: undefined, text: 'Look at agent.ts' });
  expect(parse(['agent.ts'], 'app.ts')).toEqual({ file: 'app.ts', text: 'agent.ts' });
  expect(parse([])).toEqual({ file: undefined, text: undefined });
});

test('an agent with a schema takes JSON, in words as well; one without takes the words', async () => {
  const terminal = aTerminal({ folder, input: '{"id":3}' });
  const object = { type: 'object' };
  const read = (given: { text?: string; input?: string }, schema?: object) =>
    readRunInput(
      { text: given.text, input: given.input },
      schema as Parameters<typeof readRunInput>[1],
      terminal,
    );
  writeFileSync(join(folder, 'in.json'), '{"id":2}');
  expect(await read({ text: '{"id":1}' }, object)).toEqual({ id: 1 });
  expect(await read({ text: '{"id":1}' })).toBe('{"id":1}');
  expect(await read({ text: '17' }, { type: 'string' })).toBe('17');
  expect(await read({ input: '@in.json' }, object)).toEqual({ id: 2 });
  expect(await read({ input: '-' }, object)).toEqual({ id: 3 });
  await expect(read({ input: '{' }, object)).rejects.toThrow('is not JSON');
  await expect(read({ input: '@none.json' }, object)).rejects.toThrow('cannot be read');
  await expect(read({}, object)).rejects.toThrow('--input');
  await expect(read({ text: 'a', input: '{}' }, object)).rejects.toThrow('given twice');
});

test('an application with several agents names them when none is chosen', () => {
  const agents = ['a', 'b'].map((name) => defineAgent({ name, instructions: 'x' }));
  const app = defineApp({ agents });
  expect(() => chooseAgent(app, undefined)).toThrow('It has `a`, `b`.');
  expect(() => chooseAgent(app, 'c')).toThrow('no agent `c`');
  expect(chooseAgent(app, 'b').name).toBe('b');
});

test('every end has its exit code', () => {
  expect(exitCodeOfOutcome({ kind: 'done' })).toBe(0);
  expect(exitCodeOfOutcome({ kind: 'failed' })).toBe(1);
  expect(exitCodeOfOutcome({ kind: 'stopped', because: 'model-refused' })).toBe(1);
  expect(exitCodeOfOutcome({ kind: 'stopped', because: 'cost-limit' })).toBe(3);
  expect(exitCodeOfOutcome({ kind: 'stopped', because: 'halted' })).toBe(4);
  expect(exitCodeOfError(new WrongUsage(''))).toBe(2);
  expect(exitCodeOfError(new BelayerError(failureType.inputRejected, ''))).toBe(2);
  expect(exitCodeOfError(new BelayerError(failureType.serverUnreachable, ''))).toBe(69);
  expect(exitCodeOfError(new BelayerError(failureType.decisionRejected, ''))).toBe(1);
  expect(exitCodeOfError(new Error('a bug'))).toBe(1);
});

test('a mistake is told by its message, anything else with a hint, and a stack only for debugging', () => {
  const bug = new Error('a bug');
  const told = (error: unknown, environment = {}) => describeError(error, { environment });
  expect(told(new BelayerError(failureType.runUnknown, 'There is no run.'))).toBe(
    'There is no run.',
  );
  // The application's own copy of the package raises errors of another class.
  expect(told(Object.assign(new Error('Wrong.'), { name: 'DefinitionRejected' }))).toBe('Wrong.');
  expect(told(bug)).toBe('a bug\nSet BELAYER_LOG=debug to see where this came from.');
  expect(told(bug, { BELAYER_LOG: 'debug' })).toContain('cli-program.test.ts');
});
