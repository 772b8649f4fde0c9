/** What runs cost, in groups: held against what the runs' own rows and the provider's bill say. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { type CostOptions, costsOf } from '../../client/costs.ts';
import { runProgram } from '../../client/commands/program.ts';
import { defineAgent, defineApp, defineTool } from '../../definitions/index.ts';
import { addToolCost } from '../../storage/costs.ts';
import { closeByForce } from '../../storage/force-close.ts';
import { openLedger } from '../../storage/ledger.ts';
import { insertNewRun } from '../../storage/new-run.ts';
import { publishedAgents } from '../../storage/definitions.ts';
import { readJournal } from '../../storage/reading-runs.ts';
import { fault, reply } from '../../testing/provider/index.ts';
import { type RunningWorker, startWorker } from '../../workers/start-worker.ts';
import { aTerminal } from '../support/a-terminal.ts';
import { createWorld, type World } from '../support/world.ts';

const search = defineTool({
  name: 'search',
  description: 'Search.',
  effect: 'read',
  input: z.object({ usd: z.array(z.number()) }),
  run: ({ usd }, ctx) => {
    for (const each of usd) ctx.cost(each);
    return 'found';
  },
});
const pay = defineTool({
  name: 'pay',
  description: 'Pay.',
  effect: 'write',
  repeat: 'never',
  timeout: '500ms',
  retry: { attempts: 2, firstDelay: '50ms' },
  input: z.object({}),
  run: (_, ctx) => {
    ctx.cost(0.001);
    throw new Error('no answer');
  },
  verify: (_, ctx) => {
    ctx.cost(0.0005);
    return Promise.resolve({ done: true as const, output: 'paid' });
  },
});
const limits = { outputTokens: 100 };
const clerk = defineAgent({ name: 'clerk', instructions: 'Work.', model: 'old-and-new', tools: [search, pay], limits }); // prettier-ignore
const porter = defineAgent({ name: 'porter', instructions: 'Delegate.', model: 'dear-model', tools: [clerk.asTool()], limits }); // prettier-ignore
const app = defineApp({ agents: [clerk, porter] });

/** In the worker's file: `old-and-new` has cost more since the first of October. */
const prices = {
  'old-and-new': [
    { from: '2026-01-01', inputUsdPerMillion: 1, outputUsdPerMillion: 2 },
    { from: '2026-10-01', inputUsdPerMillion: 2, cachedInputUsdPerMillion: 0.5, outputUsdPerMillion: 4, requestUsd: 0.0001 }, // prettier-ignore
    { from: '2999-01-01', inputUsdPerMillion: 0, outputUsdPerMillion: 0 },
  ],
  'dear-model': { inputUsdPerMillion: 10, outputUsdPerMillion: 20 },
};
const usage = { inputTokens: 500, cachedInputTokens: 100, outputTokens: 50 };
const oneCall = 400 * 2 + 100 * 0.5 + 50 * 4 + 100;
const dearCall = 500 * 10 + 50 * 20;

let world: World;
let worker: RunningWorker;
let folder: string;
let environment: Record<string, string>;
beforeAll(async () => {
  world = await createWorld();
  folder = mkdtempSync(join(tmpdir(), 'belayer-costs-'));
  writeFileSync(join(folder, 'prices.json'), JSON.stringify(prices));
  environment = {
    TEMPORAL_ADDRESS: world.servers.addresses.temporal.address,
    DATABASE_URL: world.servers.addresses.databaseUrl,
    OPENAI_API_KEY: 'test',
    OPENAI_BASE_URL: world.provider.baseURL,
    BELAYER_PRICES: join(folder, 'prices.json'),
    BELAYER_LOG: 'error',
    // Its bundle cache is shared by all tests.
    BELAYER_DATA: join(tmpdir(), 'belayer-test-bundles'),
    USER: 'ann',
  };
});
afterAll(async () => {
  await worker?.stop();
  await world?.stop();
  rmSync(folder, { recursive: true, force: true });
});

async function ask(...words: string[]) {
  const terminal = aTerminal({ folder, environment });
  const code = await runProgram(words, terminal);
  return { code, out: terminal.output(), errors: terminal.errors() };
}
const linesOf = (out: string): Record<string, unknown>[] =>
  out.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as Record<string, unknown>])); // prettier-ignore
const query = (text: string) => world.database.query<Record<string, unknown>>({ text });
const spentOf = async (run: string): Promise<number> =>
  (await (await world.belayer.run(run)).status()).costMicroUsd;

test('a worker whose application names a model without a price does not start: nothing is published', async () => {
  const unpriced = defineApp({
    agents: [
      clerk,
      defineAgent({ name: 'guest', instructions: 'x', model: 'old-and-now', fallbackModels: ['unheard-of'] }), // prettier-ignore
    ],
  });
  const refused = { ...environment, TEMPORAL_ADDRESS: '127.0.0.1:9' };
  await expect(startWorker({ app: unpriced, environment: refused })).rejects.toMatchObject({
    type: 'ModelUnpriced',
    message: expect.stringMatching(/2 models have no price.*agent `guest`: model `old-and-now` \(names near it: `old-and-new`\).*agent `guest`: model `unheard-of`.*Add to .*prices\.json.*"unheard-of": \{ "inputUsdPerMillion"/s), // prettier-ignore
  });
  expect(await publishedAgents(world.database)).toEqual([]);
  worker = await startWorker({ app, environment });
  expect(worker.agents).toEqual(['clerk', 'porter']);
});

const isChild = (input: unknown): boolean => JSON.stringify(input).includes('as a clerk');
let roots: readonly string[] = [];

test('sums of the journal are what the runs’ own rows and the provider say, each run and sub-agent once, at the price of its moment', async () => {
  let faults = 1;
  world.provider.script((request) => {
    const isAfterTools = request.messages.at(-1)?.role === 'tool';
    if (isChild(request.messages[1]?.content)) return isAfterTools ? reply.text('searched', { usage }) : reply.tools({ search: { usd: [0.0000004, 0.0000004] } }, { usage }); // prettier-ignore
    if (request.model === 'dear-model') return isAfterTools ? reply.text('done', { usage }) : reply.tools({ clerk: { input: 'as a clerk' } }, { usage }); // prettier-ignore
    if (JSON.stringify(request.messages[1]).includes('wrong')) return isAfterTools ? reply.text('done', { usage }) : reply.tools({ search: { usd: [0.01, -0.005] } }, { usage }); // prettier-ignore
    if (JSON.stringify(request.messages[1]).includes('pay')) return isAfterTools ? reply.text('done', { usage }) : reply.tools({ pay: {} }, { usage }); // prettier-ignore
    faults -= 1;
    return faults === 0 ? fault.cutStream() : reply.text('done', { usage });
  });
  const started = [
    await world.belayer.start('porter', { input: 'go', customer: 'acme' }),
    await world.belayer.start('clerk', { input: 'cut once', customer: 'acme' }),
    await world.belayer.start('clerk', { input: 'wrong', customer: 'beta' }),
    await world.belayer.start('clerk', { input: 'pay' }),
  ];
  roots = started.map(({ id }) => id);
  for (const run of started) expect(await run.output()).toBe('done');
  const [first, cut, wrong, paid] = roots as [string, string, string, string];

  const journal = await readJournal(world.database, cut);
  expect(journal.map(({ outcome, price }) => [outcome, price])).toEqual([
    ['failed', '2000000/500000/4000000 request 100000000 override from 2026-10-01'],
    ['ok', '2000000/500000/4000000 request 100000000 override from 2026-10-01'],
  ]);
  const unproven = journal[0]?.costMicroUsd ?? 0;
  expect(unproven).toBeGreaterThan(oneCall);
  expect(await spentOf(cut)).toBe(unproven + oneCall);
  // Two fractions of a micro-dollar are one, rounded up once.
  expect(await spentOf(first)).toBe(2 * dearCall + 2 * oneCall + 1);
  // What was reported before the mistake counts; the mistake is told, and not tried again.
  expect(await spentOf(wrong)).toBe(2 * oneCall + 10_000);
  const tools = (await readJournal(world.database, wrong)).filter(({ kind }) => kind === 'tool');
  expect(tools).toMatchObject([{ outcome: 'failed', code: 'failed', detail: expect.stringContaining('reports a cost of -0.005') }]); // prettier-ignore
  // Also what a verification reports, whose attempt was in the journal before.
  expect(await spentOf(paid)).toBe(2 * oneCall + 1_000 + 500);

  const byRow = await Promise.all(roots.map(spentOf));
  const costs = await world.belayer.costs();
  expect(
    costs.rows.map(
      ({ customer, costMicroUsd, unprovenMicroUsd, toolsMicroUsd, modelCalls, runs }) => ({
        customer,
        costMicroUsd,
        unprovenMicroUsd,
        toolsMicroUsd,
        modelCalls,
        runs,
      }),
    ),
  ).toEqual([
    // prettier-ignore
    { customer: 'acme', costMicroUsd: (byRow[0] ?? 0) + (byRow[1] ?? 0), unprovenMicroUsd: unproven, toolsMicroUsd: 1, modelCalls: 5, runs: 3 }, // prettier-ignore
    { customer: 'beta', costMicroUsd: byRow[2], unprovenMicroUsd: 0, toolsMicroUsd: 10_000, modelCalls: 2, runs: 1 }, // prettier-ignore
    { customer: '', costMicroUsd: byRow[3], unprovenMicroUsd: 0, toolsMicroUsd: 1_500, modelCalls: 2, runs: 1 }, // prettier-ignore
  ]);
  const all = byRow.reduce((sum, spent) => sum + spent, 0);
  const total = { costMicroUsd: all, modelCalls: 9, toolCalls: 3, attempts: 13, runs: 5, inputTokens: 9 * 500, cachedInputTokens: 9 * 100, outputTokens: 9 * 50 }; // prettier-ignore
  expect(costs.total).toMatchObject(total);
  // Whatever makes a group, the groups together are the same money.
  for (const by of [
    ['agent'],
    ['model'],
    ['day'],
    ['tier'],
    ['tool'],
    ['run'],
    ['customer', 'agent', 'model', 'day', 'tier', 'tool', 'run'],
  ] as const) {
    // prettier-ignore
    const grouped = await world.belayer.costs({ by });
    expect(grouped.total).toEqual(costs.total);
    for (const key of [
      'costMicroUsd',
      'unprovenMicroUsd',
      'toolsMicroUsd',
      'inputTokens',
      'cachedInputTokens',
      'outputTokens',
      'modelCalls',
      'toolCalls',
      'attempts',
    ] as const)
      // prettier-ignore
      expect(grouped.rows.reduce((sum, row) => sum + row[key], 0)).toBe(costs.total[key]);
  }
  // A sub-agent is under its own agent and its own run, and under the customer of the whole.
  const byRun = (await world.belayer.costs({ by: ['run', 'agent'], customer: 'acme' })).rows;
  const ofFirst = byRun.filter(({ run }) => run === first || run?.startsWith(`${first}/`));
  expect(ofFirst.map(({ agent }) => agent)).toEqual(['porter', 'clerk']);
  expect(ofFirst.reduce((sum, { costMicroUsd }) => sum + costMicroUsd, 0)).toBe(byRow[0]);
  expect(
    (await world.belayer.costs({ by: ['tool'], agent: 'clerk' })).rows.map(
      ({ tool, costMicroUsd }) => [tool, costMicroUsd],
    ),
  ).toEqual([
    // prettier-ignore
    ['search', 10_001],
    [null, unproven + 7 * oneCall],
    ['pay', 1_500],
  ]);
  const byModel = new Map((await world.belayer.costs({ by: ['model'] })).rows.map((row) => [row.model, row])); // prettier-ignore
  expect(byModel.get('old-and-new')).toMatchObject({ modelCalls: 7, costMicroUsd: unproven + 7 * oneCall }); // prettier-ignore
  expect(byModel.get('dear-model')).toMatchObject({ modelCalls: 2, costMicroUsd: 2 * dearCall });
  expect(byModel.get(null)).toMatchObject({ modelCalls: 0, toolCalls: 3, costMicroUsd: 11_501 });
});

test('an attempt whose worker died is charged in full, and told as unproven', async () => {
  const inserted = await insertNewRun(world.database, new Map(), { run: 'lost-1', agent: 'clerk', input: 'go', customer: 'lost' }); // prettier-ignore
  const claim = { run: 'lost-1', position: '1', token: 'dead/1', model: 'old-and-new', requestHash: 'h', chain: 0, from: inserted.start.transcript.length, entries: [], reserveMicroUsd: 4_321, reserveTokens: 10, sendMs: 1_000 }; // prettier-ignore
  const ledger = openLedger(world.database);
  expect(await ledger.openModelCall(claim)).toMatchObject({ verdict: 'claimed' });
  // Under way: nothing of it is in the journal.
  expect((await world.belayer.costs({ customer: 'lost' })).rows).toEqual([]);
  await closeByForce(world.database, 'lost-1', 'enough');
  expect(
    (await world.belayer.costs({ customer: 'lost', by: ['model', 'run'] })).rows,
  ).toMatchObject([
    // prettier-ignore
    { model: 'old-and-new', run: 'lost-1', costMicroUsd: 4_321, unprovenMicroUsd: 4_321, inputTokens: 0 }, // prettier-ignore
  ]);
  expect(await spentOf('lost-1')).toBe(4_321);
});

test('an attempt belongs to the UTC day on which it began, and a span has its beginning and not its end', async () => {
  const [, cut, , paid] = roots;
  const move = (run: string | undefined, position: string, to: string) =>
    query(`update belayer.attempt a set started_at = '${to}' from belayer.run r where r.no = a.run_no and r.id = '${run}' and a.position = '${position}'`); // prettier-ignore
  await move(cut, '1', '2026-03-01T23:59:59.999Z');
  await move(paid, '1', '2026-03-02T00:00:00Z');
  await move(paid, '1.1', '2026-03-03T12:00:00Z');
  const march = await world.belayer.costs({
    by: ['day'],
    since: '2026-03-01',
    until: '2026-04-01',
  });
  expect(march.rows.map(({ day, modelCalls, toolCalls }) => [day, modelCalls, toolCalls])).toEqual([
    ['2026-03-01', 1, 0],
    ['2026-03-02', 1, 0],
    ['2026-03-03', 0, 1],
  ]);
  expect(march.total.costMicroUsd).toBe((await spentOf(cut ?? '')) + oneCall + 1_500);
  const calls = async (since: string, until: string): Promise<number> =>
    (await world.belayer.costs({ since, until })).total.modelCalls;
  expect(await calls('2026-03-02', '2026-03-03')).toBe(1);
  expect(await calls('2026-03-01T23:59:59.999Z', '2026-03-02T00:00:00Z')).toBe(1);
  expect(await calls('2026-03-02T01:00:00+01:00', '2026-03-02T00:00:00.001Z')).toBe(1);
  expect(await calls('2026-03-02T00:00:00.001Z', '2026-03-03')).toBe(0);
  // Seven days are looked back on where nothing is said.
  expect((await world.belayer.costs()).total.modelCalls).toBe(9 + 1 - 2);
});

test('costs look back seven days and have no end where nothing is said; a sum that takes too long is ended, and says so', async () => {
  const now = new Date('2026-11-23T12:00:00Z');
  const of = (options: CostOptions, more = {}) => costsOf({ database: world.database }, options, { now, ...more }); // prettier-ignore
  expect(await of({})).toMatchObject({ by: ['customer'], since: new Date('2026-11-16T12:00:00Z'), until: now }); // prettier-ignore
  for (const [since, until, from, to] of [
    ['36h', '1 day', '2026-11-22T00:00:00Z', '2026-11-22T12:00:00Z'],
    ['2026-10-01', '2026-10-02T00:00:00+02:00', '2026-10-01T00:00:00Z', '2026-10-01T22:00:00Z'],
    [new Date('2026-01-01'), 60_000, '2026-01-01T00:00:00Z', '2026-11-23T11:59:00Z'],
  ] as const)
    expect(await of({ since, until })).toMatchObject({
      since: new Date(from),
      until: new Date(to),
    });
  // A client whose clock is behind has the newest calls all the same.
  const early = { now: new Date('2020-01-01T00:00:00Z') };
  expect((await of({}, early)).total.modelCalls).toBe(10);
  expect((await of({ until: '0ms' }, early)).total.modelCalls).toBe(0);
  const client = await world.database.pool.connect();
  try {
    await client.query('begin; lock table belayer.attempt in access exclusive mode');
    await expect(of({ since: '2026-01-01' }, { withinMs: 100 })).rejects.toMatchObject({
      type: 'InputRejected',
      message: expect.stringMatching(/2026-01-01T00:00:00\.000Z to 2026-11-23T12.*a shorter span/),
    });
  } finally {
    await client.query('rollback');
    client.release();
  }
});

test('what choices saved is summed from the journal, what was in vain taken off', async () => {
  const [, , wrong] = roots;
  const save = (position: string, saved: string, tier: string) =>
    query(`update belayer.attempt a set saved = '${saved}', tier = '${tier}' from belayer.run r where r.no = a.run_no and r.id = '${wrong}' and a.position = '${position}'`); // prettier-ignore
  await save('1', '{"cache": 700, "routing": 90}', 'small');
  await save('1.1', '{"cache": 5}', '');
  await save('2', '{"routing": -40, "short-circuit": 3000}', 'large');
  const { rows, total } = await world.belayer.costs({ customer: 'beta' });
  const savedMicroUsd = { cache: 705, routing: 50, 'short-circuit': 3_000 };
  expect(rows).toMatchObject([{ customer: 'beta', savedMicroUsd }]);
  expect(total.savedMicroUsd).toEqual(savedMicroUsd);
  const byTier = (await world.belayer.costs({ customer: 'beta', by: ['tier'] })).rows;
  expect(new Map(byTier.map(({ tier, savedMicroUsd: saved }) => [tier, saved.routing])).get('large')).toBe(-40); // prettier-ignore
});

test('what was imported was paid for elsewhere: it is in no sum and in no window', async () => {
  await world.belayer.budgets.set({ customer: 'there', per: 'day', costUsd: 1 });
  await query(`insert into belayer.run (id, agent, customer, definition, input_hash, ended_at)
    select 'imported-1', agent, 'there', definition, 'h', now() from belayer.run where id = 'lost-1'`);
  await query(
    `insert into belayer.pulse (run_no) select no from belayer.run where id = 'imported-1'`,
  );
  const attempt = (run: string, endedAt: string) =>
    query(`insert into belayer.attempt (run_no, position, number, kind, name, worker, started_at, ended_at, outcome, cost_micro_usd)
      select no, '1.1', 1, 'tool', 'search', 'w', now(), ${endedAt}, 'ok', 77 from belayer.run where id = '${run}'`);
  await attempt('imported-1', `now() - interval '1 minute'`);
  expect((await world.belayer.budgets.show({ customer: 'there' }))[0]?.window).toMatchObject({ spentMicroUsd: 0 }); // prettier-ignore
  const before = await world.belayer.costs({ customer: 'there' });
  expect(before.total.costMicroUsd).toBe(77);
  await query(`insert into belayer.imported (run_no, recording, imported_by, exported_at, was_open, redactions, void)
    select no, 'x', 'ann', now(), false, '{}', '{}' from belayer.run where id = 'imported-1'`);
  expect((await world.belayer.costs({ customer: 'there' })).rows).toEqual([]);
  // What is journalled here counts.
  await query(`insert into belayer.run (id, agent, customer, definition, input_hash) select 'here-1', agent, 'there', definition, 'h' from belayer.run where id = 'lost-1'`); // prettier-ignore
  await query(
    `insert into belayer.pulse (run_no, state) select no, 'running' from belayer.run where id = 'here-1'`,
  );
  await attempt('here-1', 'clock_timestamp()');
  expect((await world.belayer.budgets.show({ customer: 'there' }))[0]?.window).toMatchObject({ spentMicroUsd: 77 }); // prettier-ignore
  // As does what comes after its attempt was journalled; a model call's cost is not a tool's.
  const [here] = await query(`select no from belayer.run where id = 'here-1'`);
  const late = { runNo: Number(here?.['no']), position: '1.1', attempt: 1, microUsd: 23 };
  expect(await addToolCost(world.database, late)).toBe(true);
  expect(await addToolCost(world.database, { ...late, attempt: 2 })).toBe(false);
  expect((await world.belayer.budgets.show({ customer: 'there' }))[0]?.window).toMatchObject({ spentMicroUsd: 100 }); // prettier-ignore
  expect((await world.belayer.costs({ customer: 'there' })).total.toolsMicroUsd).toBe(100);
  await query(`update belayer.run set ended_at = now() where id = 'here-1'`);
  await world.belayer.budgets.remove({ customer: 'there', per: 'day' });
});

test('the command line shows costs as a table and as lines, and says what it does not understand', async () => {
  const shown = await ask(
    'costs',
    '--by',
    'agent,model',
    '--customer',
    'acme',
    '--since',
    '2026-01-01',
  );
  expect(shown).toMatchObject({
    code: 0,
    errors: expect.stringContaining('from 2026-01-01 00:00:00'),
  });
  expect(shown.out).toMatch(/^AGENT +MODEL +SPENT +UNPROVEN .*\nporter +dear-model +\$0\.0120 +- /); // prettier-ignore
  expect(shown.out).toMatch(/\nTOTAL /);
  const lines = await ask(
    'costs',
    '--by',
    'run',
    '--json',
    '--limit',
    '2',
    '--since',
    '2026-01-01',
  );
  expect(linesOf(lines.out)).toHaveLength(2);
  expect(linesOf(lines.out)[0]).toMatchObject({ run: roots[2], costMicroUsd: 2 * oneCall + 10_000, savedMicroUsd: { cache: 705 } }); // prettier-ignore
  expect(lines.errors).toContain('more groups are not listed');
  expect(await ask('costs', '--customer', 'nobody')).toMatchObject({ code: 0, out: '', errors: expect.stringContaining('No call is on record') }); // prettier-ignore
  await query(`update belayer.run set customer = E'a\\u001b[2Jb' where id = 'lost-1'`);
  expect((await ask('costs')).out).not.toContain('\u001b');
  for (const [wrong, said] of [
    [['--by', 'customer,colour'], /`by` names `colour`; it must be a list of one or more of customer, agent, model, day, tier, tool, run/], // prettier-ignore
    [['--by', 'day,day'], /`by` names `day` twice/],
    [['--since', '2026-02-30'], /`since` is `2026-02-30`; it names no moment that there is/],
    [['--since', 'yesterday'], /`since` must be a duration back from now such as 7d/],
    [['--since', '2026-03-02', '--until', '2026-03-01'], /is not before `until`/],
    [['--until', '10d'], /is not before `until`/],
    [['--limit', '200000'], /`limit` is 200000/],
    [['--customer', ''], /`customer` is an empty string/],
  ] as const) {
    const refused = await ask('costs', ...wrong);
    expect([wrong, refused.code, refused.out]).toEqual([wrong, 2, '']);
    expect(refused.errors).toMatch(said);
  }
  await expect(
    world.belayer.costs({ by: [], sinse: '7d', limit: 0 } as never),
  ).rejects.toMatchObject({
    type: 'InputRejected',
    message: expect.stringMatching(/`costs`: 3 mistakes.*`sinse` is not an option/s),
  });
});

test('the command line shows prices of a moment, and ends with 1 for a model without one', async () => {
  const now = await ask('prices');
  expect(now).toMatchObject({ code: 0 });
  expect(now.out).toMatch(
    /\nold-and-new +- +2 +0\.5 +2 +4 +4 +0\.0001 +override from 2026-10-01\n/,
  );
  const then = await ask('prices', 'old-and-new', 'gpt-4o-mini', '--at', '2026-09-30', '--json');
  expect(linesOf(then.out)).toMatchObject([
    { model: 'old-and-new', at: '2026-09-30T00:00:00.000Z', source: 'override from 2026-01-01', requestUsd: 0, tiers: [{ inputUsdPerMillion: 1, outputUsdPerMillion: 2 }] }, // prettier-ignore
    { model: 'gpt-4o-mini', source: 'genai-prices 0.1.8', tiers: [{ inputUsdPerMillion: 0.15 }] },
  ]);
  const unknown = await ask('prices', 'gpt-4o-mini', 'old-and-now');
  expect(unknown.code).toBe(1);
  expect(unknown.out).toContain('gpt-4o-mini');
  expect(unknown.errors).toMatch(/A model has no price, .*\n {2}- model `old-and-now` \(names near it: `old-and-new`\)\nAdd to .*prices\.json/); // prettier-ignore
  expect(await ask('prices', 'old-and-new', '--at', '2025-12-31')).toMatchObject({ code: 1, errors: expect.stringContaining('whose first price begins at 2026-01-01') }); // prettier-ignore
  expect(await ask('prices', '--at', '31.12.2025')).toMatchObject({ code: 2 });
});
