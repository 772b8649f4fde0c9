import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { Judgement } from '../../activities/judge-reply.ts';
import { runProgram } from '../../client/commands/program.ts';
import { progressText } from '../../client/commands/rerun-many.ts';
import { rerunText, summaryText } from '../../client/commands/rerun-text.ts';
import type { CallModelOutput, EntryRef, ProposedCall } from '../../contracts/agent-run.ts';
import { limits } from '../../contracts/limits.ts';
import { compareDecisions } from '../../testing/rerun/compare-decisions.ts';
import { around, differingValues } from '../../testing/rerun/differing-values.ts';
import type { RecordedRun } from '../../testing/rerun/recorded-run.ts';
import { RecordedRequests, RecordedTools } from '../../testing/rerun/recorded-tools.ts';
import type { RerunResult } from '../../testing/rerun/rerun-result.ts';
import { aTerminal } from '../support/a-terminal.ts';

const call = (tool: string, amount: number, more: Partial<ProposedCall> = {}): ProposedCall => ({
  id: 'x',
  tool,
  arguments: `{"amount":${amount}}`,
  argumentsHash: `hash-of-${amount}`,
  ...more,
});
const then = (...calls: ProposedCall[]): CallModelOutput => ({
  kind: 'calls',
  calls,
  cost: { costMicroUsd: 0, tokens: 0 },
  transcript: { chain: 0, length: 0, head: '', bytes: 0 },
});
const now = (...calls: ProposedCall[]): Judgement => ({ kind: 'calls', calls });
const error = { code: 'bad_arguments', message: 'no', retryable: false, attempts: 0 };
const final = { ...then(), kind: 'final', output: 'hash', outputBytes: 1 } as CallModelOutput;
const text: Judgement = { kind: 'final', text: '"x"' };

test.each([
  ['other tool', then(call('pay', 1)), now(call('refund', 1)), '3.1'],
  ['other arguments', then(call('a', 1), call('pay', 1)), now(call('a', 1), call('pay', 2)), '3.2'],
  ['other order', then(call('a', 1), call('b', 1)), now(call('b', 1), call('a', 1)), '3.1'],
  ['more calls', then(call('a', 1)), now(call('a', 1), call('b', 1)), '3.2'],
  ['fewer calls', then(call('a', 1), call('b', 1)), now(call('a', 1)), '3.2'],
  ['asks a human', then(call('a', 1)), now(call('a', 1, { ask: true })), '3.1'],
  ['asks no human', then(call('a', 1, { ask: true })), now(call('a', 1)), '3.1'],
  ['a call is refused', then(call('a', 1)), now(call('a', 1, { error })), '3.1'],
  ['a call is not refused', then(call('a', 1, { error })), now(call('a', 1)), '3.1'],
  ['an output instead of calls', then(call('a', 1)), text, '3'],
  ['calls instead of an output', final, now(call('a', 1)), '3'],
  ['the output does not fit', final, { kind: 'misfit', problem: 'no' } as Judgement, '3'],
  ['the output fits', { ...then(), kind: 'misfit', problem: 'no' } as CallModelOutput, text, '3'],
  ['a refusal', final, { kind: 'refused' } as Judgement, '3'],
  ['no refusal', { ...then(), kind: 'refused' } as CallModelOutput, text, '3'],
] as const)('another decision is told as “%s”', (why, recorded, today, position) => {
  expect(compareDecisions('3', recorded, today)).toMatchObject({ why, position });
});

test('the same calls under other ids, and two outputs, are the same decision', () => {
  const named = { ...call('a', 1), id: 'other' };
  expect(compareDecisions('3', then(call('a', 1)), now(named))).toBeUndefined();
  expect(compareDecisions('3', final, text)).toBeUndefined();
  expect(compareDecisions('3', { kind: 'stopped', because: 'ceiling-breached', detail: '' }, text)).toBeUndefined(); // prettier-ignore
});

test('an output that became calls is shown as it was', () => {
  expect(compareDecisions('3', final, now(call('a', 1)), '{"ok":true}')).toMatchObject({
    recorded: { ok: true },
    now: [{ tool: 'a', arguments: { amount: 1 } }],
  });
});

test('two long texts are cut around the place where they differ', () => {
  const max = limits.rerunValueCharsMax;
  const same = 'a'.repeat(3 * max);
  const [left, right] = around(`${same}left`, `${same}right`) as [string, string];
  expect(left).toMatch(/^… a+left$/);
  expect(right).toMatch(/^… a+right$/);
  expect(left.length).toBeLessThan(max + 10);
  const body = (content: string): string => JSON.stringify({ messages: [{ content }] });
  expect(differingValues(body('x'), body('y'))).toEqual({ path: 'messages[0].content', recorded: 'x', now: 'y' }); // prettier-ignore
  expect(differingValues('{}', 'no json')).toMatchObject({ path: '', now: 'no json' });
});

test('the n-th equal call gets the n-th result, and what was cut short gives none', () => {
  const done = (content: string) => ({
    isDone: true,
    fragment: JSON.stringify({ role: 'tool', tool_call_id: 'x', content }),
    answer: { kind: 'done', status: 'ok' },
  });
  const attempts: Record<string, object[]> = { '4.1': [{ code: 'away', detail: 'gone', costMicroUsd: 3 }] }; // prettier-ignore
  const recorded = {
    calls: new Map(Object.entries({ '1.1': done('first'), '2.1': done('second') })),
    attemptsAt: (position: string) => attempts[position] ?? [],
    toldAt: () => undefined,
  } as unknown as RecordedRun;
  const use = (position: string, tool = 'order') => ({ position, tool, argumentsHash: 'h' });
  const halted: EntryRef = { at: '3.1', id: 'x', error: { ...error, code: 'halted' } };
  const tools = new RecordedTools(
    recorded,
    [use('1.1'), use('2.1'), use('3.1'), use('4.1', 'ill')],
    new Map([['3.1', halted]]),
  );
  expect(tools.take('order', 'other')).toBeUndefined();
  expect(tools.take('order', 'h')).toMatchObject({ content: 'first' });
  expect(tools.take('order', 'h')).toMatchObject({ content: 'second' });
  expect(tools.take('order', 'h')).toBeUndefined();
  expect(tools.take('ill', 'h')).toMatchObject({ kind: 'exhausted', costMicroUsd: 3, error: { code: 'away', message: 'gone' } }); // prettier-ignore
  const request = { position: '1.1/approval', kind: 'approval', about: '', tool: 'pay', argumentsHash: 'h' }; // prettier-ignore
  const requests = new RecordedRequests([request] as never);
  expect(requests.take({ ...request, argumentsHash: 'other' })).toBeUndefined();
  expect(requests.take(request)).toBe(request);
  expect(requests.take(request)).toBeUndefined();
});

const result = (run: string, more: Partial<RerunResult> = {}): RerunResult => ({
  run,
  agent: 'support',
  mode: 'tools-recorded',
  verdict: 'unchanged',
  outcome: { recorded: 'done', now: 'done' },
  output: { recorded: { hash: 'h1', text: '"x"' }, now: { hash: 'h1', text: '"x"' } },
  steps: { recorded: 1, now: 1 },
  cost: { beforeMicroUsd: 10, beforeTokens: 5, afterMicroUsd: 20, afterTokens: 6, liveMicroUsd: 20 },
  calls: [],
  ...more,
}); // prettier-ignore

test('a table counts verdicts, and says where decisions differ most', () => {
  const differs = (run: string, position: string): RerunResult =>
    result(run, { verdict: 'decisions-differ', decision: { position, why: 'other arguments' } });
  const many = [
    result('a'),
    differs('b', '3.1'),
    differs('c', '1.1'),
    differs('d', '3.1'),
    result('e', { verdict: 'not-rerun', because: 'gone' }),
  ];
  const said = summaryText(many);
  expect(said).toMatch(/^unchanged +1$/m);
  expect(said).toMatch(/^decisions differ +3$/m);
  expect(said).toMatch(/3\.1 {2}other arguments +2\n1\.1 {2}other arguments +1/);
  expect(said).toMatch(/^gone +1$/m);
  // What was not rerun has no cost to be compared.
  expect(said).toContain('Cost before $0.000040 (20 tokens), after $0.000080 (24 tokens)');
});

test('progress counts runs, and what sub-agents have beside them', () => {
  const same = { verdict: 'unchanged' } as const;
  expect(progressText(2, 5, [same, same])).toBe('2 of 5 runs: 2 unchanged');
  expect(progressText(2, 5, [same, { verdict: 'open' }, same])).toBe('2 of 5 runs and 1 of sub-agents: 2 unchanged, 1 open'); // prettier-ignore
});

test('a rerun in which nothing was live says so, alone and among many', () => {
  const nothing = result('a', { nothingLive: 'Nothing was live: because.' });
  expect(rerunText(nothing)).toContain('\nNothing was live: because.\n');
  expect(summaryText([nothing, result('b')])).toMatch(/^Nothing was live: because\. +1$/m);
});

test('nobody can be asked without a terminal, so it is refused', async () => {
  const words = ['rerun', 'a-run', '--mode', 'tools-recorded', '--unmatched', 'ask'];
  const terminal = aTerminal();
  expect(await runProgram(words, terminal)).toBe(2);
  expect(terminal.errors()).toContain('--unmatched ask asks a person at the terminal');
});

test('one result shows both sides of its output, or where it stopped and with which arguments', () => {
  const other = { hash: 'h2', text: '"y"' };
  const changed = result('a', { verdict: 'output-changed', output: { recorded: { hash: 'h1', text: '"x"' }, now: other } }); // prettier-ignore
  expect(rerunText(changed)).toContain('Another output:\n  recorded  "x"\n  now       "y"');
  const stopped = result('a', { verdict: 'stopped', output: {}, stopped: { position: '2.1', what: 'write', tool: 'pay', arguments: { amount: 1 }, because: 'No.' } }); // prettier-ignore
  expect(rerunText(stopped)).toContain(
    'Stopped at 2.1 (write `pay`): No.\n  arguments {"amount":1}',
  );
});

test('two result files are compared run by run', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'belayer-rerun-'));
  const write = (name: string, results: readonly RerunResult[]): void =>
    writeFileSync(join(folder, name), results.map((one) => `${JSON.stringify(one)}\n`).join(''));
  write('a.jsonl', [result('one'), result('two'), result('three')]);
  write('b.jsonl', [
    result('one', { verdict: 'stopped', output: {}, outcome: { recorded: 'done' } }),
    result('two'),
    result('four'),
  ]);
  const compare = async (...files: string[]) => {
    const terminal = aTerminal({ folder });
    const code = await runProgram(['rerun', '--compare', ...files, '--json'], terminal);
    return { code, out: terminal.output(), errors: terminal.errors() };
  };
  expect(await compare('a.jsonl', 'a.jsonl')).toMatchObject({ code: 0, out: '' });
  const { code, out, errors } = await compare('a.jsonl', 'b.jsonl');
  expect(code).toBe(1);
  expect(out.trimEnd().split('\n').map((line) => JSON.parse(line) as unknown)).toEqual([
    { run: 'four', only: 'second' },
    { run: 'one', verdict: { before: 'unchanged', after: 'stopped' }, output: { before: 'h1', after: 'none' } },
    { run: 'three', only: 'first' },
  ]); // prettier-ignore
  expect(errors).toContain('4 runs, 3 changed.');
  writeFileSync(join(folder, 'c.jsonl'), '{"run":1}\n');
  expect(await compare('a.jsonl', 'c.jsonl')).toMatchObject({ code: 2 });
});
