/** Child runs in their parent's ledger: a ceiling carved out, and settled when the child has ended. */
import type { RunToolOutput } from '../contracts/agent-run.ts';
import { invariant } from '../contracts/failures.ts';
import type { Database } from './database.ts';
import { runUnknown, type ToolResultRecord } from './ledger.ts';

export interface OpenedChild {
  readonly verdict: 'opened' | 'finished' | 'conflict' | 'halted' | 'budget' | 'no-run';
  readonly micro_usd: number;
  readonly tokens: number;
  readonly answer: RunToolOutput | null;
  readonly detail: string | null;
  readonly customer: string | null;
}

export async function reserveChild(
  database: Database,
  child: {
    readonly run: string;
    readonly position: string;
    readonly token: string;
    readonly agent: string;
    readonly requestHash: string;
    readonly microUsd: number;
    readonly tokens: number;
  },
): Promise<OpenedChild> {
  const [row] = await database.query<OpenedChild>(
    { name: 'open_child', text: 'select * from belayer.open_child($1,$2,$3,$4,$5,$6,$7)' },
    [
      child.run,
      child.position,
      child.token,
      child.agent,
      child.requestHash,
      child.microUsd,
      child.tokens,
    ],
  );
  invariant(row !== undefined, 'open_child answers with one row');
  if (row.verdict === 'no-run') throw runUnknown(child.run);
  return row;
}

export async function settleChild(
  database: Database,
  child: {
    readonly run: string;
    readonly position: string;
    readonly childRun: string;
    readonly token: string;
    readonly tool: string;
    readonly result: ToolResultRecord;
    readonly status: 'ok' | 'failed';
    readonly code?: string;
  },
): Promise<RunToolOutput> {
  const { result } = child;
  const [row] = await database.query<{ answer: RunToolOutput }>(
    {
      name: 'close_child',
      text: 'select * from belayer.close_child($1,$2,$3,$4,$5,$6,$7,$8,$9,$10)',
    },
    [
      child.run,
      child.position,
      child.childRun,
      child.token,
      child.status,
      child.code ?? null,
      JSON.stringify(result.answer),
      result.fragment,
      result.fragmentHash,
      JSON.stringify({
        tool: child.tool,
        status: child.status,
        attempt: 1,
        latencyMs: 0,
        ...(child.code === undefined ? {} : { code: child.code }),
      }),
    ],
  );
  invariant(row !== undefined, 'close_child answers with one row');
  return row.answer;
}
