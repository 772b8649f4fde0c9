/** The inbox of an installation with more open requests than anybody reads at once. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runProgram } from '../../client/commands/program.ts';
import { limits } from '../../contracts/limits.ts';
import { aTerminal } from '../support/a-terminal.ts';
import { aRunOnRecord } from '../support/run-on-record.ts';
import { createWorld, type World } from '../support/world.ts';

const open = 2 * limits.inboxPageRowsMax + 7;
let world: World;

beforeAll(async () => {
  world = await createWorld();
  const run = await aRunOnRecord(world.database);
  await world.database.query(
    {
      text: `insert into belayer.request (run_no, position, kind, tool, arguments, arguments_hash, deadline, deciders)
        select r.no, n || '.1/approval', 'approval', 'refund', '{}', 'a', now() + interval '1 hour',
          case when n <= 3 then array['ann'] else array['bob'] end
        from belayer.run r, generate_series(1, $2::int) n where r.id = $1`,
    },
    [run, open],
  );
});
afterAll(async () => world?.stop());

async function ask(...words: string[]) {
  const terminal = aTerminal({
    environment: {
      TEMPORAL_ADDRESS: world.servers.addresses.temporal.address,
      DATABASE_URL: world.servers.addresses.databaseUrl,
    },
  });
  const code = await runProgram(['inbox', ...words], terminal);
  return { code, lines: terminal.output().trim().split('\n'), errors: terminal.errors() };
}

test('the inbox says how many requests there are where it does not show all of them', async () => {
  const some = await ask('--json');
  expect(some).toMatchObject({ code: 0, lines: { length: 50 } });
  expect(some.errors).toContain(`50 of ${open} open requests are shown. All of them: --all`);
  const few = await ask('--json', '--decider', 'ann');
  expect(few).toMatchObject({ lines: { length: 3 }, errors: '' });
});

test('--all shows every request once, page by page', async () => {
  const all = await ask('--all', '--json');
  expect(all).toMatchObject({ code: 0, lines: { length: open }, errors: '' });
  const positions = all.lines.map((line) => (JSON.parse(line) as { position: string }).position);
  expect(new Set(positions).size).toBe(open);
  const text = await ask('--all');
  expect(text.lines.filter((line) => line.startsWith('  Decide:'))).toHaveLength(open);
});

test('an application reads the inbox page by page, and counts it', async () => {
  const { belayer } = world;
  expect(await belayer.inboxCount()).toBe(open);
  expect(await belayer.inboxCount({ decider: 'ann', kind: 'approval' })).toBe(3);
  expect(await belayer.inboxCount({ customer: 'nobody' })).toBe(0);
  const first = await belayer.inbox({ limit: 400 });
  const after = first.at(-1);
  const second = await belayer.inbox(after === undefined ? {} : { after });
  expect(first.length + second.length).toBe(open);
});

test.each([
  [{ custmer: 'acme' }, '`custmer` is not an option of the inbox'],
  [{ kind: 'aproval' }, '`kind` is "aproval"; it must be one of approval'],
  [{ customer: 5 }, '`customer` is of type number'],
  [{ after: { run: 'x' } }, '`after` must be a request'],
])('an inbox with %j is refused', async (options, because) => {
  const rejected = { type: 'InputRejected', message: expect.stringContaining(because) };
  await expect(world.belayer.inbox(options as never)).rejects.toMatchObject(rejected);
  await expect(world.belayer.inboxCount(options as never)).rejects.toMatchObject(rejected);
});
