import type { Client } from '@temporalio/client';
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { fetchUnarchived } from '../recordings/read-histories.ts';

export interface ExportedHistory {
  readonly workflowId: string;
  /** First to last. */
  readonly executions: readonly { readonly runId: string; readonly history: unknown }[];
}

/**
 * Every execution of a run that Temporal holds; `readHistories` also knows those that are archived.
 *
 * @throws RunUnknown, ServerUnreachable
 */
export async function exportHistory(temporal: Client, run: string): Promise<ExportedHistory> {
  const { executions } = await fetchUnarchived(temporal, run, { kept: [] });
  return {
    workflowId: run,
    executions: executions.map(({ runId, history }) => ({
      runId,
      history: JSON.parse(historyToJSON(history)) as unknown,
    })),
  };
}
