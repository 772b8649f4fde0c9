/** Budgets at the SQL functions: a database of its own, runs that are only rows, and a clock that can be moved. */
import { expect } from 'vitest';
import { type Budgets, budgetsOn } from '../../client/budgets.ts';
import type { CallModelOutput } from '../../contracts/agent-run.ts';
import { defineAgent, defineApp } from '../../definitions/index.ts';
import { asApp } from '../../definitions/internal.ts';
import { startOwnServers } from '../../servers/index.ts';
import type { BudgetRow } from '../../storage/budgets.ts';
import { type Database, openDatabase } from '../../storage/database.ts';
import { chainHead, sha256 } from '../../storage/hash.ts';
import {
  type Ledger,
  type OpenedModelCall,
  type OpenModelCall,
  openLedger,
} from '../../storage/ledger.ts';
import { migrate } from '../../storage/migrate.ts';
import { insertNewRun } from '../../storage/new-run.ts';
import { publishApplication } from '../../workers/publish.ts';

export interface BudgetLedger {
  readonly database: Database;
  readonly ledger: Ledger;
  readonly budgets: Budgets;
  aRun(
    agent?: 'clerk' | 'porter',
    customer?: string,
    microUsd?: number,
    parent?: string,
  ): Promise<RowRun>;
  /** The clock of windows stands at this moment; absent: it is the database's again. */
  clockAt(moment?: string): Promise<void>;
  /** Money of the one window that fits; asserts that there is one. */
  windowOf(filter: {
    agent?: string;
    customer?: string;
  }): Promise<NonNullable<BudgetRow['window']>>;
  /** Removes every rule: a test begins with none. */
  clear(): Promise<void>;
  stop(): Promise<void>;
}

type Opened = Pick<OpenedModelCall, 'run_no' | 'attempt'>;
export type RowRun = Awaited<ReturnType<typeof rowRun>>;

export async function startBudgetLedger(): Promise<BudgetLedger> {
  const servers = await startOwnServers({ temporal: false, postgresSettings: { fsync: 'off' } });
  const database = openDatabase({ url: servers.addresses.databaseUrl, connections: 60 });
  await migrate(database);
  const ledger = openLedger(database);
  const agents = ['clerk', 'porter'].map((name) =>
    defineAgent({ name, instructions: 'x', model: 'test-model' }),
  );
  await publishApplication(database, asApp(defineApp({ agents })), { buildId: 'test' });
  const budgets = budgetsOn({ database, by: 'tester' });
  let count = 0;
  return {
    database,
    ledger,
    budgets,
    async aRun(agent = 'clerk', customer, microUsd = 1_000_000, parent) {
      count += 1;
      return rowRun({ database, ledger }, { run: parent === undefined ? `run-${count}` : `${parent}/1.${count}`, agent, microUsd, ...(customer === undefined ? {} : { customer }) }); // prettier-ignore
    },
    async clockAt(moment) {
      const now = moment === undefined ? 'clock_timestamp()' : `'${moment}'::timestamptz`;
      await database.query({
        text: `create or replace function belayer.budget_now() returns timestamptz language sql volatile as $$ select ${now} $$`,
      });
    },
    async windowOf(filter) {
      const windows = (await budgets.show(filter)).flatMap(({ window }) => window ?? []);
      expect(windows).toHaveLength(1);
      return windows[0] as NonNullable<BudgetRow['window']>;
    },
    async clear() {
      for (const { agent, customer, per } of await budgets.show())
        await budgets
          .remove({
            per,
            ...(agent === null ? {} : { agent }),
            ...(customer === null ? {} : { customer }),
            ...(agent === null && customer === null ? { installation: true as const } : {}),
          })
          // One row for each window of a budget of each customer.
          .catch(() => undefined);
    },
    async stop() {
      await database.close();
      await servers.stop();
    },
  };
}

async function rowRun(
  { database, ledger }: { readonly database: Database; readonly ledger: Ledger },
  wanted: { run: string; agent: string; customer?: string; microUsd: number },
) {
  const { run, agent, customer, microUsd } = wanted;
  const inserted = await insertNewRun(database, new Map(), {
    run,
    agent,
    input: 'go',
    ...(customer === undefined ? {} : { customer }),
    options: { limits: { costMicroUsd: microUsd } },
  });
  const { transcript } = inserted.start;
  const open = (position: string, token: string, more: Partial<OpenModelCall> = {}) =>
    ledger.openModelCall({
      run,
      position,
      token,
      model: 'test-model',
      requestHash: `prompt-${position}`,
      chain: 0,
      from: transcript.length,
      entries: [],
      reserveMicroUsd: 100,
      reserveTokens: 10,
      sendMs: 1_000,
      ...more,
    });
  return {
    run,
    transcript,
    open,
    /** Ends an attempt without a reply: `cost` is what it is charged. */
    fail: (opened: Opened, position: string, token: string, cost = 0) =>
      ledger.closeModelCall({
        runNo: opened.run_no,
        position,
        attempt: opened.attempt,
        token,
        outcome: 'failed',
        code: 'ModelOverloaded',
        costMicroUsd: cost,
        tokens: cost === 0 ? 0 : 10,
        journal: {},
        event: {},
      }),
    reply: (opened: Opened, position: string, token: string, cost = 7) =>
      ledger.closeModelCall({
        runNo: opened.run_no,
        position,
        attempt: opened.attempt,
        token,
        outcome: 'ok',
        reply: {
          answer: { kind: 'halted', reason: token } as CallModelOutput,
          fragment: `"${token}"`,
          fragmentHash: sha256(token),
          chain: 0,
          seq: transcript.length,
          head: chainHead(transcript.head, sha256(token)),
        },
        costMicroUsd: cost,
        tokens: 3,
        journal: {},
        event: { model: 'test-model' },
      }),
  };
}
