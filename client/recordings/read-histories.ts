/** All histories of a run: closed executions from the archive, what is not there yet from Temporal. */
import { type Client, WorkflowNotFoundError } from '@temporalio/client';
import { type History, historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import { BelayerError, failureType } from '../../contracts/failures.ts';
import { limits } from '../../contracts/limits.ts';
import type { Database } from '../../storage/database.ts';
import {
  checkRecorded,
  type Closed,
  type HistoriesOfRun,
  keptHistories,
  readKeptHistory,
} from '../../storage/recordings/kept-histories.ts';
import { isUnreachable } from '../parts.ts';

/** One execution of a run. */
export interface RunHistory {
  /** From 1, the first execution. */
  readonly number: number;
  /** Temporal's run id. */
  readonly runId: string;
  /** How it closed; `open`: it has not, or had not when the run was exported. */
  readonly closed: Closed;
  readonly events: number;
  readonly source: 'archive' | 'temporal';
  /** Its JSON, as Temporal's own tools write it. @throws RecordingDamaged */
  json(): Promise<string>;
}

/**
 * First to last. Asks Temporal only for what the database does not hold: an ended run that is archived
 * needs no Temporal.
 *
 * @throws RunUnknown         No such run, or nothing of it is held anywhere: its retention is over, or its workflow has not started.
 * @throws RecordingExpired   Its histories were deleted when their time was over.
 * @throws ServerUnreachable  Temporal does not answer, and part of the run is only there.
 */
export async function readHistories(
  parts: { readonly database: Database; readonly temporal: Client },
  run: string,
): Promise<readonly RunHistory[]> {
  const { database, temporal } = parts;
  const known = await keptHistories(database, run);
  checkRecorded(run, known);
  const archived = known.kept.map(({ number, execution: runId, closed, events }): RunHistory => ({
    number,
    runId,
    closed,
    events,
    source: 'archive',
    json: () => readKeptHistory(database, run, number),
  }));
  if (known.imported || archived.at(-1)?.closed === 'ended') return archived;
  const fresh = await fetchUnarchived(temporal, run, known);
  const joined = archived.slice(0, fresh.behind);
  return [
    ...joined,
    ...fresh.executions.map(({ runId, history }, index): RunHistory => {
      const json = historyToJSON(history);
      return {
        number: fresh.behind + index + 1,
        runId,
        closed: closedBy(history),
        events: history.events?.length ?? 0,
        source: 'temporal',
        json: () => Promise.resolve(json),
      };
    }),
  ];
}

/**
 * Executions that the archive does not hold, from the newest back: each names the one that it continues.
 * `behind`: how many archived ones come before them.
 */
export async function fetchUnarchived(
  temporal: Client,
  run: string,
  { kept }: Pick<HistoriesOfRun, 'kept'>,
): Promise<{
  readonly behind: number;
  readonly executions: readonly { readonly runId: string; readonly history: History }[];
}> {
  const executions: { runId: string; history: History }[] = [];
  try {
    let runId: string | undefined = (await temporal.workflow.getHandle(run).describe()).runId;
    while (runId !== undefined && runId !== '') {
      const archived = kept.find(({ execution }) => execution === runId);
      if (archived !== undefined) return { behind: archived.number, executions };
      const history: History = await temporal.workflow.getHandle(run, runId).fetchHistory();
      executions.unshift({ runId, history });
      if (executions.length > limits.recordingExecutionsMax)
        throw new BelayerError(
          failureType.inputRejected,
          `Run \`${run}\` has more than ${limits.recordingExecutionsMax} executions (recordingExecutionsMax).`,
        );
      runId =
        history.events?.[0]?.workflowExecutionStartedEventAttributes?.continuedExecutionRunId ??
        undefined;
    }
    return { behind: 0, executions };
  } catch (error) {
    throw notHeld(error, run);
  }
}

/** What a history ends with. Read from it, not from a list that may lag behind. */
export function closedBy({ events }: History): Closed {
  const last = events?.at(-1);
  if (last?.workflowExecutionContinuedAsNewEventAttributes != null) return 'continued';
  const hasEnded =
    last?.workflowExecutionCompletedEventAttributes != null ||
    last?.workflowExecutionFailedEventAttributes != null ||
    last?.workflowExecutionTerminatedEventAttributes != null ||
    last?.workflowExecutionCanceledEventAttributes != null ||
    last?.workflowExecutionTimedOutEventAttributes != null;
  return hasEnded ? 'ended' : 'open';
}

function notHeld(error: unknown, run: string): unknown {
  if (error instanceof WorkflowNotFoundError)
    return new BelayerError(
      failureType.runUnknown,
      `Neither Temporal nor the archive holds all histories of run \`${run}\`. Either Temporal's retention was over before a worker archived them, or the workflow has not started yet.`,
      { cause: error },
    );
  if (isUnreachable(error))
    return new BelayerError(
      failureType.serverUnreachable,
      `Temporal does not answer (${(error as Error).message}), and run \`${run}\` is not archived yet: part of its histories is only there.`,
      { cause: error },
    );
  return error;
}
