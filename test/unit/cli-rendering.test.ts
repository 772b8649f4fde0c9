import { expect, test } from 'vitest';
import { duration, usd } from '../../client/commands/amounts.ts';
import { eventLine } from '../../client/commands/event-line.ts';
import { promptBytes } from '../../client/commands/prompt-bytes.ts';
import { outputText } from '../../client/commands/output-text.ts';
import { openDesk } from '../../client/commands/request-desk.ts';
import { requestText } from '../../client/commands/request-text.ts';
import { runsTable } from '../../client/commands/runs-command.ts';
import { safeJson, safeLine, safeText } from '../../client/commands/safe-text.ts';
import type { Run } from '../../client/run.ts';
import { sha256 } from '../../storage/hash.ts';
import type { RunRow } from '../../storage/reading-runs.ts';
import type { RequestRow } from '../../storage/requests.ts';
import { aTerminal } from '../support/a-terminal.ts';

const escape = '\u001b[2J';
const rightToLeft = '\u202e';

const request: RequestRow = {
  run: 'support-1',
  agent: 'support',
  customer: 'acme',
  position: '1.1/approval',
  kind: 'approval',
  tool: 'refund',
  arguments: JSON.stringify({ amountUsd: 80, to: `bob${rightToLeft}moc.live${escape}` }),
  argumentsHash: 'h',
  about: null,
  call: '1.1',
  editedHash: null,
  editedArguments: null,
  detail: null,
  isShared: false,
  state: 'open',
  deciders: null,
  level: 0,
  openedAt: new Date(0),
  deadline: new Date(3_600_000),
  atDeadline: 'deny',
  closedAt: null,
  closedBy: null,
  closedVia: null,
  reason: null,
  evidence: [],
};

test('what could steer a terminal or hide in a text is shown as its code', () => {
  expect(safeText(`a${escape}b`)).toBe('a\\u{1b}[2Jb');
  expect(safeText(`x${rightToLeft}y\u200bz\ufeff\u{e0041}`)).toBe(
    'x\\u{202e}y\\u{200b}z\\u{feff}\\u{e0041}',
  );
  expect(safeText('\u0085\u009b\u2028\ud800\r')).toBe('\\u{85}\\u{9b}\\u{2028}\\u{d800}\\u{d}');
  expect(safeText('Größe 価格 🙂 שלום\n\tja')).toBe('Größe 価格 🙂 שלום\n\tja');
});

test('a line stays a line, and is cut', () => {
  expect(safeLine('a\nb')).toBe('a b');
  expect(safeLine('x'.repeat(300), 10)).toBe(`${'x'.repeat(9)}…`);
  expect(safeJson('{"a":[1]}')).toBe('{\n  "a": [\n    1\n  ]\n}');
  expect(safeJson('no json')).toBe('no json');
});

test('a request shows the whole call, and nothing in it reaches the terminal unescaped', () => {
  const text = requestText(request, new Date(0));
  expect(text).toContain('May support call `refund`?');
  expect(text).toContain('"amountUsd": 80');
  expect(text).toContain('bob\\u{202e}moc.live\\u001b[2J');
  expect(text).toContain('1 h 0 min left');
  expect(text).not.toContain('\u001b');
  expect(text).not.toContain(rightToLeft);
});

test('of what an attempt failed with, the first line and its cause are shown', () => {
  const detail =
    'Error: no\n    at pay (pay.ts:1:1)\n  [cause]: Error: connect ECONNREFUSED\n    at x';
  const attempt = { number: 1, worker: 'w', startedAt: '2026-11-22T00:00:00.000Z', endedAt: '2026-11-22T00:00:01.000Z', outcome: 'unknown', code: null, detail }; // prettier-ignore
  const text = requestText({ ...request, evidence: [attempt] }, new Date(0));
  expect(text).toContain('unknown Error: no [cause]: Error: connect ECONNREFUSED\n');
  expect(text).not.toContain('pay.ts');
});

test.each([
  [['y', 'looks right'], 'approve', 'looks right'],
  [['yes', ''], 'approve', undefined],
  [['', ''], 'deny', undefined],
  [['n', 'no'], 'deny', 'no'],
  [['yep', ''], 'deny', undefined],
])('a person who answers %j decides to %s', async (answers, verdict, reason) => {
  const { terminal, decided } = await atDesk(answers);
  expect(decided).toEqual([
    [
      verdict,
      '1.1/approval',
      { by: 'ann', argumentsHash: 'h', ...(reason === undefined ? {} : { reason }) },
    ],
  ]);
  expect(terminal.errors()).toContain('[y/N]');
});

test('where nobody is at the terminal, it says how to decide', async () => {
  const { terminal, decided } = await atDesk(undefined);
  expect(decided).toEqual([]);
  expect(terminal.errors()).toContain('belayer approve support-1 1.1/approval');
});

async function atDesk(answers: string[] | undefined) {
  const terminal = aTerminal({
    environment: { USER: 'ann' },
    ...(answers === undefined ? {} : { answers }),
  });
  const decided: unknown[] = [];
  const decide = (verdict: string) => (position: string, options: object) => {
    decided.push([verdict, position, options]);
    return Promise.resolve({ request: position, verdict });
  };
  const run = {
    requests: () => Promise.resolve([request]),
    approve: decide('approve'),
    deny: decide('deny'),
  } as unknown as Run;
  openDesk(terminal, run).opened(request.position);
  await new Promise((resolve) => setTimeout(resolve, 10));
  return { terminal, decided };
}

test('an event is one line with where, what, how much and how long', () => {
  const base = { run: 'r', number: 2, at: '2026-11-22T00:00:00.000Z' };
  expect(
    eventLine({
      ...base,
      kind: 'model.replied',
      position: '1',
      model: 'gpt-5-mini',
      attempt: 2,
      costMicroUsd: 36,
      inputTokens: 101,
      outputTokens: 5,
      latencyMs: 1_234,
      calls: [{ tool: 'order' }, { tool: `bad${escape}` }],
      outcome: 'calls',
    }),
  ).toBe(
    '1            gpt-5-mini asks for order, bad\\u{1b}[2J, attempt 2  101+5 tokens  $0.000036  1.2 s',
  );
  const kept = { position: '1', attempt: 1, latencyMs: 3, cached: true } as const;
  const nothing = { costMicroUsd: 0, inputTokens: 0, outputTokens: 0, calls: [] };
  expect(
    eventLine({
      ...base,
      ...kept,
      ...nothing,
      kind: 'model.replied',
      model: 'm',
      outcome: 'final',
    }),
  ).toBe('1            gave its output, as it was kept  3 ms');
  expect(
    eventLine({ ...base, ...kept, kind: 'tool.finished', tool: 'order', status: 'ok', tookMs: 90 }),
  ).toBe('1            order ok, as it was kept  3 ms');
  expect(eventLine({ ...base, kind: 'run.halting', reason: `so\n${escape}`, by: 'ann' })).toBe(
    '-            halted by ann: so \\u{1b}[2J',
  );
});

test('a table of runs has a line per run and no escape sequences', () => {
  const row: RunRow = {
    id: 'support-1',
    agent: 'support',
    customer: `acme${escape}`,
    key: null,
    state: 'stopped',
    createdAt: new Date(0),
    endedAt: new Date(1),
    outcome: { kind: 'stopped', because: 'halted', detail: '' },
    parent: null,
    forkOf: null,
    forkAt: null,
    forkEdit: null,
    definition: '',
    steps: 2,
    costMicroUsd: 105,
    reservedMicroUsd: 0,
    ceilingMicroUsd: 1_000_000,
    tokens: 281,
    openRequests: 0,
    importedAt: null,
    stuck: null,
  };
  const lines = runsTable([row, row]).split('\n');
  expect(lines).toHaveLength(3);
  expect(lines[1]).toBe(
    'support-1  stopped (halted)  2      $0.000105  1970-01-01 00:00:00  acme\\u{1b}[2J',
  );
});

test('a program gets the output as it is, a person gets it escaped', () => {
  expect(outputText(`a${escape}`, { isOutputRead: false })).toBe(`a${escape}`);
  expect(outputText(`a${escape}`, { isOutputRead: true })).toBe('a\\u{1b}[2J');
  expect(outputText({ a: 1 }, { isOutputRead: false })).toBe('{\n  "a": 1\n}');
});

test('a prompt is shown only where it hashes to what was recorded', () => {
  const body = '{"messages":[{"s":1},{"a":1},{"b":2}]}';
  const prompt = {
    head: '{"messages":[',
    system: '{"s":1}',
    messages: ['{"a":1}', '{"b":2}'],
    hash: sha256(body),
    bytes: body.length,
    isRedacted: false,
  };
  expect(promptBytes(prompt, '`1`')).toBe(body);
  expect(promptBytes({ ...prompt, system: null, head: `${prompt.head}{"s":1},` }, '`1`')).toBe(
    body,
  );
  expect(() =>
    promptBytes({ ...prompt, messages: ['{"a":1}', '{"b":3}'] }, '`1` of run `r`'),
  ).toThrow('The prompt that is stored for `1` of run `r` is not the one that was sent');
});

test('amounts are read at a glance', () => {
  expect(usd(0)).toBe('$0.0000');
  expect(usd(36)).toBe('$0.000036');
  expect(usd(1_234_567)).toBe('$1.2346');
  expect([12, 1_500, 90_000, 7_260_000, 260_000_000].map(duration)).toEqual([
    '12 ms',
    '1.5 s',
    '2 min',
    '2 h 1 min',
    '3 days',
  ]);
});
