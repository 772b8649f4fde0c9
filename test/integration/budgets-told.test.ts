/** Who hears of a shared budget: thresholds once, by webhook and mail; changes in the history; all of it on the command line. */
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { limits } from '../../contracts/limits.ts';
import { reply } from '../../testing/provider/index.ts';
import { startAnnouncer } from '../../workers/announcer.ts';
import { type BudgetLedger, startBudgetLedger } from '../support/budget-ledger.ts';
import { type CliWorld, createCliWorld } from '../support/cli-world.ts';
import { eventually } from '../support/eventually.ts';
import { startMailBox } from '../support/mail-box.ts';
import { startReceiver } from '../support/receiver.ts';

let ledger: BudgetLedger;
let cli: CliWorld;
beforeAll(async () => {
  [ledger, cli] = await Promise.all([startBudgetLedger(), createCliWorld()]);
});
afterAll(async () => {
  await cli?.stop();
  await ledger?.stop();
});

const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined }; // prettier-ignore

interface Threshold {
  readonly threshold: number;
  readonly share: number;
  readonly spentMicroUsd: number;
}
const thresholds = (customer: string): Promise<readonly Threshold[]> =>
  ledger.database
    .query<{ body: Threshold }>({
      text: `select e.body from belayer.event e where e.kind = 'budget.threshold' and e.body->>'customer' = '${customer}' order by e.at, e.number`,
    })
    .then((rows) => rows.map(({ body }) => body));

test('each threshold of a window is told once, by whatever calls cross it at once, also after the ceiling was raised', async () => {
  const budget = { customer: 'crowd', per: 'day' as const };
  await ledger.budgets.set({ ...budget, costUsd: 0.004 });
  const runs = await Promise.all(Array.from({ length: 40 }, () => ledger.aRun('clerk', 'crowd')));
  await Promise.all(
    runs.map(async (run) => run.reply(await run.open('1', run.run), '1', run.run, 97)),
  );
  expect((await thresholds('crowd')).map(({ threshold }) => threshold)).toEqual([50, 80, 95]);
  expect((await thresholds('crowd')).map(({ share }) => share)).toEqual([50, 80, 97].map((share) => expect.closeTo(share, -1))); // prettier-ignore
  await ledger.budgets.extend({ ...budget, costUsd: 0.004 });
  await ledger.budgets.set({ ...budget, costUsd: 0.004, thresholds: [50, 80, 95, 100] });
  const more = await Promise.all(Array.from({ length: 40 }, () => ledger.aRun('clerk', 'crowd')));
  for (const run of more) await run.reply(await run.open('1', run.run), '1', run.run, 100);
  expect((await thresholds('crowd')).map(({ threshold }) => threshold)).toEqual([50, 80, 95]);
  // Another window is another matter, and one call may cross several.
  await ledger.clockAt('2040-01-01T00:00:00Z');
  const big = await ledger.aRun('clerk', 'crowd');
  const opened = await big.open('1', 'w', { reserveMicroUsd: 3_900 });
  await big.reply(opened, '1', 'w', 3_400);
  expect((await thresholds('crowd')).map(({ threshold }) => threshold)).toEqual([50, 80, 95, 50, 80]); // prettier-ignore
  await ledger.clockAt();
});

test('a threshold reaches people by signed webhook and mail, though its run has ended', async () => {
  const [receiver, box] = await Promise.all([startReceiver(), startMailBox()]);
  await ledger.database.query({ text: 'delete from belayer.announcement' });
  await ledger.budgets.set({ agent: 'clerk', customer: 'told', per: 'month', costUsd: 0.0001, tokens: 1_000, thresholds: [70] }); // prettier-ignore
  const run = await ledger.aRun('clerk', 'told');
  await run.reply(await run.open('1', 'w'), '1', 'w', 77);
  await ledger.ledger.closeRun(run.run, {
    outcome: { kind: 'stopped', because: 'halted', detail: 'x' },
    steps: 1,
  });
  const secret = `whsec_${Buffer.alloc(24, 1).toString('base64')}`;
  const stop = startAnnouncer(
    ledger.database,
    {
      webhook: { url: receiver.url, secret },
      mail: { smtpUrl: box.url, from: 'belayer@example.com', to: ['ann@example.com'] },
    },
    log,
  );
  await eventually(() => receiver.received.length > 0 && box.mails.length > 0);
  await new Promise((resolve) => setTimeout(resolve, 2 * limits.announceEveryMs));
  await stop();
  expect(receiver.received).toHaveLength(1);
  expect(box.mails).toHaveLength(1);
  const [got] = receiver.received;
  expect(
    new Webhook(secret).verify(got?.body ?? '', got?.headers as Record<string, string>),
  ).toMatchObject({
    type: 'budget.threshold',
    data: {
      run: run.run,
      agent: 'clerk',
      customer: 'told',
      budget: { agent: 'clerk', customer: 'told', per: 'month' },
      threshold: 70,
      share: 77,
      spentMicroUsd: 77,
      ceilingMicroUsd: 100,
      commands: { budgets: 'belayer budget show' },
    },
  });
  expect(box.mails[0]?.parsed.subject).toMatch(/^\[belayer\] 77% of the budget of agent `clerk` for customer `told` per month is spent/); // prettier-ignore
  await Promise.all([receiver.stop(), box.stop()]);
});

test('who changed what, when and why stays on record', async () => {
  const budget = { customer: 'changed', per: 'hour' as const };
  await ledger.budgets.set({ ...budget, costUsd: 1, by: 'ann', reason: 'a trial' });
  await ledger.budgets.set({ ...budget, tokens: 10, onExhaustion: 'wait', waitMax: '1 hour' });
  await ledger.budgets.extend({ ...budget, tokens: 5, by: 'bob' });
  await ledger.budgets.remove({ ...budget, by: 'carol', reason: 'the trial is over' });
  expect(await ledger.budgets.history({ customer: 'changed' })).toMatchObject([
    { action: 'removed', by: 'carol', reason: 'the trial is over', after: null },
    { action: 'extended', by: 'bob', before: { raisedTokens: 0 }, after: { raisedTokens: 5 } },
    {
      action: 'set',
      by: 'tester',
      before: { ceilingMicroUsd: 1_000_000, onExhaustion: 'stop', thresholds: [50, 80, 95] },
      after: { ceilingMicroUsd: null, ceilingTokens: 10, onExhaustion: 'wait', waitMs: 3_600_000 },
    },
    { action: 'set', by: 'ann', reason: 'a trial', before: null },
  ]);
  await expect(ledger.budgets.remove(budget)).rejects.toMatchObject({
    type: 'InputRejected',
    message: expect.stringContaining('the budget of customer `changed` per hour'),
  });
  await expect(ledger.budgets.set({ agent: 'clerc', per: 'day', costUsd: 1 })).rejects.toMatchObject({ type: 'AgentUnknown' }); // prettier-ignore
});

test('the command line sets, shows, raises and removes budgets, and a run that one stops ends with 3', async () => {
  const acme = ['--customer', 'acme\u001b[2J', '--per', 'day'];
  const set = await cli.ask('budget', 'set', ...acme, '--usd', '0.001', '--tokens', '9000', '--on-exhaustion', 'stop', '--reason', 'a trial'); // prettier-ignore
  expect(set).toMatchObject({ code: 0 });
  expect(set.out).toMatch(/^The budget of customer `acme.*` per day is set, by ann\.\n$/);
  cli.provider.script(() => reply.text('done'));
  const stopped = await cli.belayer('run', 'agent.ts', 'Where is A-17?', '--customer', 'acme\u001b[2J'); // prettier-ignore
  expect(stopped.code).toBe(3);
  expect(stopped.errors).toContain('budget-spent');
  const raised = await cli.ask('budget', 'extend', ...acme, '--usd', '1', '--json');
  expect(JSON.parse(raised.out)).toMatchObject({ per: 'day', by: 'ann' });
  const done = await cli.belayer('run', 'agent.ts', 'Where is A-17?', '--customer', 'acme\u001b[2J'); // prettier-ignore
  expect(done).toMatchObject({ code: 0 });
  const shown = await cli.ask('budget', 'show', '--customer', 'acme\u001b[2J');
  expect(shown.out).toMatch(
    /^AGENT +CUSTOMER +PER .*\n- +acme.* day +\$1\.0010, 9000 tokens .* stop/,
  );
  const [row] = (await cli.ask('budget', 'show', '--json')).out.split('\n');
  expect(JSON.parse(row ?? '')).toMatchObject({
    per: 'day',
    ceilingMicroUsd: 1_000,
    window: { raisedMicroUsd: 1_000_000, reservedMicroUsd: 0 },
  });
  // What nobody has named is not said to be free.
  const nobody = ['--customer', 'nobody'];
  const none = await cli.ask('budget', 'show', ...nobody);
  expect(none.errors).toContain('No budget names customer `nobody`. Nor is there one');
  await cli.ask('budget', 'set', '--all', '--per', 'month', '--usd', '9');
  const over = 'Without that name, but over it: the budget of the installation per month.';
  expect((await cli.ask('budget', 'show', ...nobody)).errors).toContain(
    `No budget names customer \`nobody\`. ${over}`,
  );
  expect((await cli.ask('budget', 'history', ...nobody)).errors).toContain(
    `No budget was ever set for customer \`nobody\`. ${over}`,
  );
  await cli.ask('budget', 'set', '--customer', '*', '--per', 'day', '--usd', '9');
  const each = await cli.ask('budget', 'show', ...nobody);
  expect(each.out).toMatch(/\n- +\* +day +\$9/);
  expect(each.errors).toContain(over);
  await cli.ask('budget', 'remove', '--customer', '*', '--per', 'day');
  await cli.ask('budget', 'remove', '--all', '--per', 'month');
  expect((await cli.ask('budget', 'remove', ...acme)).code).toBe(0);
  const history = await cli.ask('budget', 'history');
  expect(history.out).toMatch(/removed .*\n[^]*extended .*\n.*set .*ann .*a trial/);
  expect((await cli.ask('budget', 'show')).errors).toContain('No budget is set.');
  for (const { out, errors } of [set, shown, history]) expect(`${out}${errors}`).not.toContain('\u001b'); // prettier-ignore
  for (const wrong of [
    ['set', '--per', 'day', '--usd', '1'],
    ['set', '--customer', 'x', '--per', 'week', '--usd', '1'],
    ['set', '--customer', 'x', '--per', 'day'],
    ['set', '--customer', 'x', '--per', 'run', '--usd', '1', '--on-exhaustion', 'wait'],
    ['set', '--customer', 'x', '--per', 'day', '--usd', '1', '--wait-max', '6h'],
    ['set', '--customer', 'x', '--per', 'day', '--usd', '1', '--thresholds', '80,50'],
    ['extend', ...acme, '--usd', '1'],
    ['extend', '--customer', 'x', '--per', 'run', '--usd', '1'],
    ['remove', '--all', '--per', 'day'],
  ])
    expect([wrong, (await cli.ask('budget', ...wrong)).code]).toEqual([wrong, 2]);
});
