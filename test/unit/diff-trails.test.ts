import { expect, test } from 'vitest';
import { diffText } from '../../client/commands/diff-text.ts';
import { compareTrails } from '../../client/diff/compare-trails.ts';
import { comparePositions } from '../../client/diff/order-positions.ts';
import { readTrail, withPrefix } from '../../client/diff/read-trail.ts';
import type { ModelTrailCall, ToolTrailCall, Trail, TrailCall, TrailMessage } from '../../client/diff/trail.ts'; // prettier-ignore
import { valueDifferences } from '../../client/diff/value-differences.ts';
import type { RecordingPart } from '../../contracts/recording.ts';
import { limits } from '../../contracts/limits.ts';
import { canonicalJson } from '../../rules/canonical-json.ts';
import { sha256 } from '../../storage/hash.ts';
import type { Row, TrailRows, TrailSource } from '../../storage/trails/trail-rows.ts';

const model = (position: string, more: Partial<ModelTrailCall> = {}): ModelTrailCall => ({ kind: 'model', position, model: 'm', state: 'done', attempts: [{ outcome: 'ok' }], costMicroUsd: 10, inputTokens: 5, outputTokens: 2, reply: { text: `reply ${position}` }, ...more }); // prettier-ignore
const tool = (position: string, more: Partial<ToolTrailCall> = {}): ToolTrailCall => ({ kind: 'tool', position, tool: 'order', state: 'done', attempts: [{ outcome: 'ok' }], costMicroUsd: 0, arguments: { id: position }, result: { of: position }, ...more }); // prettier-ignore
const trail = (run: string, calls: readonly TrailCall[], more: Partial<Trail> = {}): Trail => ({
  head: { run, agent: 'support', customer: '', from: 'run', definition: 'd', redactedValues: 0 },
  end: { state: 'done', outcome: { kind: 'done', output: run, bytes: 1 }, output: 'out', steps: 1, costMicroUsd: 1, tokens: 1, ceilingMicroUsd: 9 },
  calls,
  prompts: new Map(),
  ...more,
}); // prettier-ignore

test('calls stand by position: what is asked before a call runs before it, numbers as numbers', () => {
  const inOrder = ['1', '1/repair-1', '1.1/approval', '1.1', '1.1/fallback-2', '1.1/fallback-10', '1.1/unknown', '1.2', '1.10', '2', '10', '10.1']; // prettier-ignore
  expect(inOrder.toReversed().toSorted(comparePositions)).toEqual(inOrder);
});

test('tries, cost and tokens are told beside, and make no two runs different', () => {
  const calm = trail('a', [model('1'), tool('1.1')]);
  const rough = trail('b', [
    model('1', { attempts: [{ outcome: 'failed', code: 'ModelRateLimited' }, { outcome: 'ok' }], costMicroUsd: 12, inputTokens: 6 }),
    tool('1.1', { attempts: [{ outcome: 'lost' }, { outcome: 'ok' }] }),
  ]); // prettier-ignore
  const diff = compareTrails(calm, rough);
  expect(diff).toMatchObject({ same: true, sameCalls: 2 });
  expect(diff).not.toHaveProperty('partsAt');
  expect(diff.calls.map(({ asides }) => [...new Set(asides.map(({ field }) => field))])).toEqual([
    ['attempts', 'cost', 'tokens'],
    ['attempts'],
  ]);
});

test('a call that only one side has, or that is of another kind, is a difference', () => {
  const diff = compareTrails(
    trail('a', [model('1'), tool('1.1'), tool('1.2', { kind: 'child' })]),
    trail('b', [model('1'), tool('1.2')]),
  );
  expect(diff).toMatchObject({ same: false, sameCalls: 1, partsAt: '1.1', decisionsPartAt: '1.1' });
  expect(diff.calls[1]).toMatchObject({ a: { position: '1.1' }, differences: [{ field: 'call', a: 'tool' }] }); // prettier-ignore
  expect(diff.calls[1]).not.toHaveProperty('b');
  expect(diff.calls[2]?.differences).toEqual([{ field: 'call', path: '', a: 'child', b: 'tool' }]);
});

test('runs whose calls are all the same differ in what they came to', () => {
  const b = trail('b', [model('1')]);
  const stopped = { ...b, end: { ...b.end, outcome: { kind: 'stopped', because: 'halted', detail: 'by ann' } as const, output: undefined } }; // prettier-ignore
  const diff = compareTrails(trail('a', [model('1')]), stopped);
  expect(diff).toMatchObject({ same: false, sameCalls: 1 });
  expect(diff).not.toHaveProperty('partsAt');
  expect(diff.end.map(({ field, path }) => `${field} ${path}`)).toEqual(['outcome kind', 'outcome because', 'outcome detail', 'output ']); // prettier-ignore
});

test('arguments that were kept only as a hash are equal where the hashes are', () => {
  const kept = (hash: string) => {
    const { arguments: _, ...call } = tool('1.1/fallback-1', { argumentsHash: hash });
    return trail('a', [call]);
  };
  expect(compareTrails(kept('x'), kept('x')).same).toBe(true);
  expect(compareTrails(kept('x'), kept('y')).calls[0]?.differences).toEqual([
    { field: 'arguments', path: '', a: '(SHA-256 x)', b: '(SHA-256 y)' },
  ]);
});

test('a prompt says whether instructions, tools, parameters or a message differs first', () => {
  const message = (at: string, content: string): TrailMessage => ({ at, value: { role: 'user', content }, text: content }); // prettier-ignore
  const of = (content: readonly string[], body: object, system = 'Be kind.') => {
    const prompt = { body: body as Record<string, unknown>, system: { role: 'system', content: system }, messages: content.map((text, index) => message(String(index), text)), length: content.length }; // prettier-ignore
    return trail('a', [model('1')], { prompts: new Map([['1', prompt]]) });
  };
  const places = (one: Trail, other: Trail) =>
    compareTrails(one, other).calls[0]?.differences.map(({ part, path }) => `${part}: ${path}`);
  const first = of(['x', 'y', 'z'], { model: 'm', temperature: 0, tools: [{ name: 'a' }] });
  expect(places(first, of(['x', 'y', 'z'], { model: 'm', temperature: 0, tools: [{ name: 'a' }] }))).toEqual([]); // prettier-ignore
  expect(places(first, of(['x', 'y', 'z'], { model: 'm', temperature: 1, tools: [{ name: 'b' }] }, 'Be brief.'))).toEqual([
    'instructions: messages[0].content',
    'parameters: temperature',
    'tools: tools[0].name',
  ]); // prettier-ignore
  // Only the first: z differs as well.
  expect(places(first, of(['x', 'Y', 'Z'], { model: 'm', temperature: 0, tools: [{ name: 'a' }] }))).toEqual(['message: messages[2].content']); // prettier-ignore
  expect(places(first, of(['x', 'y'], { model: 'm', temperature: 0, tools: [{ name: 'a' }] }))).toEqual(['message: messages[3]']); // prettier-ignore
});

test('places inside values are named so that they can be found, and are not without end', () => {
  const found = valueDifferences({ 'a b': [1, { c: 2 }], d: 1 }, { d: 1, 'a b': [1, { c: 3 }, 4] }, 9); // prettier-ignore
  expect(found).toEqual([
    { path: '["a b"][1].c', a: 2, b: 3 },
    { path: '["a b"][2]', a: undefined, b: 4 },
  ]);
  const many = Array.from({ length: 1_000 }, (_, index) => index);
  expect(valueDifferences(many, many.toReversed(), limits.diffPathsMax)).toHaveLength(limits.diffPathsMax); // prettier-ignore
  expect(valueDifferences({ toString: 1 }, {}, 9)).toEqual([{ path: 'toString', a: 1, b: undefined }]); // prettier-ignore
});

test('a trail that begins in another has its parent’s calls up to the fork, and its own behind it', () => {
  const parent = trail('parent', [model('1'), tool('1.1'), tool('1.2'), model('2'), tool('2.1')]);
  const args = { id: 'A-1' };
  const asked = model('1', { reply: { calls: [{ tool: 'order', arguments: args }] } });
  const { arguments: _, ...own } = tool('1.2', { result: 'edited', argumentsHash: sha256(canonicalJson(args)) }); // prettier-ignore
  const forked = withPrefix(trail('fork', [own, model('2', { reply: { text: 'other' } })]), {
    trail: { ...parent, calls: [asked, ...parent.calls.slice(1)] },
    before: '1.2',
  });
  expect(forked.head.run).toBe('fork');
  expect(forked.calls.map(({ position }) => position)).toEqual(['1', '1.1', '1.2', '2']);
  // The reply that asked for it is the parent's.
  expect(forked.calls[2]).toMatchObject({ result: 'edited', arguments: args });
  expect(compareTrails(parent, forked)).toMatchObject({ partsAt: '1' });
});

const rowsOf = (run: string, parts: Partial<Record<RecordingPart, readonly Row[]>>): TrailRows => ({
  run,
  from: 'run',
  redactedValues: 0,
  rows: (part) => parts[part] ?? [],
  fragment: (hash) => (hash === 'head' ? '{"model":"m","messages":[{"role":"system","content":"Be kind."},' : undefined),
}); // prettier-ignore
const sourceOf = (...all: readonly TrailRows[]): TrailSource => ({
  read: (run) => Promise.resolve(all.find((rows) => rows.run === run)),
});
const call = (position: string, kind: string, fragment: object): Row => ({ position, kind, name: kind === 'model' ? 'm' : 'order', state: 'done', request_hash: sha256('{"id":1}'), fragment: JSON.stringify(fragment) }); // prettier-ignore
const attempt = (position: string, chain: number, length: number): Row => ({ position, number: 1, outcome: 'ok', prompt_hash: `p${position}`, prompt_head: 'head', chain, length }); // prettier-ignore
const entry = (chain: number, seq: number, at: string, fragment: string | null = null): Row => ({ chain, seq, at, fragment }); // prettier-ignore

const parentRows = rowsOf('parent', {
  run: [{ agent: 'support', state: 'done', outcome: { kind: 'done', output: 'h', bytes: 1 }, output_at: '2' }],
  call: [
    call('1', 'model', { role: 'assistant', content: null, tool_calls: [{ id: 'x', function: { name: 'order', arguments: '{"id":1}' } }] }),
    call('1.1', 'tool', { role: 'tool', tool_call_id: 'x', content: '{"state":"shipped"}' }),
    { ...call('2', 'model', { role: 'assistant', content: 'Shipped.' }), output: '"Shipped."' },
  ],
  attempt: [attempt('1', 0, 1), attempt('2', 0, 3)],
  entry: [entry(0, 0, '0', '{"role":"user","content":"Where?"}'), entry(0, 1, '1'), entry(0, 2, '1.1'), entry(0, 3, '2')],
}); // prettier-ignore
const forkRows = rowsOf('fork', {
  run: [{ agent: 'support', state: 'done', outcome: { kind: 'done', output: 'h', bytes: 1 }, output_at: '2', fork_of: 'parent', fork_at: '1.1' }],
  segment: [{ chain: 1, parent_run: 'parent', parent_chain: 0, parent_length: 2 }],
  call: [
    call('1.1', 'tool', { role: 'tool', tool_call_id: 'x', content: '{"state":"lost"}' }),
    { ...call('2', 'model', { role: 'assistant', content: 'Lost.' }), output: '"Lost."' },
  ],
  attempt: [attempt('2', 1, 3)],
  entry: [entry(1, 2, '1.1'), entry(1, 3, '2')],
}); // prettier-ignore

test('a fork is read with its parent’s beginning, and parts from it where it was forked', async () => {
  const source = sourceOf(parentRows, forkRows);
  const [parent, fork] = [await readTrail(source, 'parent'), await readTrail(source, 'fork')];
  expect(parent.calls.map(({ kind, position }) => `${kind} ${position}`)).toEqual(['words 1', 'model 1', 'tool 1.1', 'model 2']); // prettier-ignore
  expect(fork.head.fork).toEqual({ run: 'parent', at: '1.1' });
  const diff = compareTrails(parent, fork);
  expect(diff).toMatchObject({ sameCalls: 1, partsAt: '1.1' });
  expect(diff.calls.slice(-2).map(({ differences }) => differences)).toEqual([
    [{ field: 'result', path: 'state', a: 'shipped', b: 'lost' }],
    [
      { field: 'prompt', part: 'message', path: 'messages[3].content', messageOf: '1.1', a: '{"state":"shipped"}', b: '{"state":"lost"}' },
      { field: 'reply', path: 'text', a: 'Shipped.', b: 'Lost.' },
    ],
  ]); // prettier-ignore
});

test('a fork at the first call has its parent’s input, and one whose input was edited its own', () => {
  const words = (text: string) => ({ kind: 'words', position: '1', number: 1, from: 'input', text }) as const; // prettier-ignore
  const prefix = { trail: trail('parent', [words('Where?'), model('1')]), before: '1' };
  const own = model('1', { reply: { text: 'edited' } });
  expect(withPrefix(trail('fork', [own]), prefix).calls).toEqual([words('Where?'), own]);
  // One that has only begun has nothing at its fork yet.
  expect(withPrefix(trail('fork', []), prefix).calls).toEqual([words('Where?')]);
  expect(withPrefix(trail('fork', [words('When?'), own]), prefix).calls).toEqual([words('When?'), own]); // prettier-ignore
});

test('instructions that a function made are compared as the run kept them', async () => {
  const of = (system: string) => {
    const rows = (part: RecordingPart): readonly Row[] =>
      part === 'run' ? [{ system: `{"role":"system","content":"${system}"}` }] : parentRows.rows(part); // prettier-ignore
    return sourceOf({ ...parentRows, rows, fragment: () => '{"model":"m","messages":[' });
  };
  const [kind, brief] = [await readTrail(of('Kind.'), 'parent'), await readTrail(of('Brief.'), 'parent')]; // prettier-ignore
  expect(compareTrails(kind, brief)).toMatchObject({ same: false, partsAt: '1' });
  expect(compareTrails(kind, brief).calls.flatMap(({ differences }) => differences).at(0)).toEqual({
    field: 'prompt', part: 'instructions', path: 'messages[0].content', a: 'Kind.', b: 'Brief.',
  }); // prettier-ignore
});

test('a trail that goes on from what is missing, or from itself, is refused', async () => {
  await expect(readTrail(sourceOf(forkRows), 'fork')).rejects.toThrow('goes on from run `parent`, which is not here'); // prettier-ignore
  const circle = rowsOf('circle', { run: [{ fork_of: 'circle', fork_at: '2' }] });
  await expect(readTrail(sourceOf(circle), 'circle')).rejects.toThrow('goes on from itself');
  const chains = rowsOf('chains', { run: [{}], segment: [{ chain: 0, parent_run: 'chains', parent_chain: 0, parent_length: 1 }], attempt: [attempt('1', 0, 1)] }); // prettier-ignore
  await expect(readTrail(sourceOf(chains), 'chains')).rejects.toThrow('goes on from itself');
  await expect(readTrail(sourceOf(), 'nobody')).rejects.toMatchObject({ name: 'RunUnknown' });
});

test('words of people stand before the call that saw them first, those that nobody saw behind all', async () => {
  const rows = rowsOf('talk', {
    run: [{ agent: 'talker', state: 'waiting' }],
    said: [{ hash: 'h1', body: '{"role":"user","content":"And A-2?"}' }],
    call: [call('1', 'model', { role: 'assistant', content: 'Hello.' })],
    attempt: [attempt('1', 0, 2)],
    entry: [entry(0, 0, '0', '{"role":"user","content":"Hi."}'), entry(0, 1, '1', '{"role":"user","content":"[From the operator of this run] Be brief."}'), entry(0, 2, '1'), entry(0, 3, 'said/h1')],
  }); // prettier-ignore
  const { calls, end } = await readTrail(sourceOf(rows), 'talk');
  expect(calls.filter(({ kind }) => kind === 'words')).toEqual([
    { kind: 'words', position: '1', number: 1, from: 'input', text: 'Hi.' },
    { kind: 'words', position: '1', number: 2, from: 'run', text: '[From the operator of this run] Be brief.' },
    { kind: 'words', position: '2', number: 1, from: 'person', text: 'And A-2?' },
  ]); // prettier-ignore
  expect(end).toMatchObject({ state: 'waiting', steps: 1 });
  // Behind a call that got no reply, and before the next.
  const unanswered = rowsOf('talk', {
    run: [{ agent: 'talker' }],
    attempt: [attempt('1', 0, 1), attempt('2', 0, 2)],
    entry: [entry(0, 0, '0', '{"role":"user","content":"Hi."}'), entry(0, 1, '2', '{"role":"user","content":"Still there?"}')],
  }); // prettier-ignore
  expect((await readTrail(sourceOf(unanswered), 'talk')).calls.map(({ position }) => position)).toEqual(['1', '2']); // prettier-ignore
});

test('a value that is nested too deep is compared as text', async () => {
  const deep = `${'['.repeat(5_000)}${']'.repeat(5_000)}`;
  const with_ = (content: string) => rowsOf('deep', { run: [{}], call: [call('1.1', 'tool', { role: 'tool', content })], attempt: [] }); // prettier-ignore
  const one = await readTrail(sourceOf(with_(deep)), 'deep');
  expect(one.calls[0]).toMatchObject({ result: deep });
  const other = await readTrail(sourceOf(with_(`${deep} `)), 'deep');
  expect(compareTrails(one, other).calls[0]?.differences).toMatchObject([{ field: 'result', path: '' }]); // prettier-ignore
});

test('a file may hold anything: what is no message, no outcome, no number is no crash', async () => {
  const odd: readonly unknown[] = [null, 7, 'x', [], {}, [null], '1e999', '{"n":1e999}', '{"tool_calls":[null,{}]}', '{"tool_calls":[{"function":{"arguments":"1e999"}}]}', '{"messages":null}']; // prettier-ignore
  const parent = await readTrail(sourceOf(parentRows), 'parent');
  for (const value of odd) {
    const rows = rowsOf('odd', {
      run: [{ outcome: value, output_at: '1', system: value, steps: value, fork_of: value }],
      budget: [{ starts_at: null, spent_micro_usd: value }],
      call: [{ position: '1', kind: 'model', fragment: value, output: value, state: value }, { position: value, kind: value, fragment: value, request_hash: value }],
      attempt: [{ position: '1', prompt_hash: 'p', prompt_head: value, chain: value, length: value, code: value }],
      entry: [{ chain: 0, seq: 0, at: '0', fragment: value }, { chain: value, seq: value, at: value, fragment: null }],
      request: [{ position: value, kind: value, arguments: value, edited_arguments: value, state: value }],
      said: [{ hash: value, body: value }],
    }); // prettier-ignore
    const one = await readTrail(sourceOf(rows), 'odd');
    expect(compareTrails(one, one)).toMatchObject({ same: true });
    expect(diffText(compareTrails(one, parent), { width: 100, isWhole: true })).toContain('odd');
  }
});
