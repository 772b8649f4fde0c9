/**
 * Keeps the histories of executions that have closed, before Temporal's retention takes them.
 *
 * 1. A run that ended is due by its own row. Of one that goes on, executions that continued as new are
 *    found in Temporal's list, read from where the last reading of any worker came to.
 * 2. Workers take different runs; what a killed one took comes back. Keeping a history twice is keeping it once.
 * 3. Whether an execution has closed is read from its history, and its histories are kept first to last.
 */
import { historyToJSON } from '@temporalio/common/lib/proto-utils.js';
import type { Log } from '../activities/dependencies.ts';
import type { Parts } from '../client/parts.ts';
import { eachAtOnce } from '../client/each-at-once.ts';
import { closedBy, fetchUnarchived } from '../client/recordings/read-histories.ts';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { workflowType } from '../contracts/messages.ts';
import {
  delayArchiving,
  noteArchived,
  noteClosed,
  noteListed,
  removeOldHistories,
  type RunToArchive,
  takeListing,
  takeToArchive,
} from '../storage/recordings/archive.ts';
import { keepHistory, keptHistories } from '../storage/recordings/kept-histories.ts';
import { repeat } from './repeat.ts';

type Stores = Pick<Parts, 'database' | 'temporal'>;

const failed = 'the archive of histories could not be kept up';

/** @param settings.recordingDays  Default `limits.recordingDaysDefault`. */
export function startArchiver(
  parts: Stores,
  settings: { readonly recordingDays?: number },
  log: Log,
): () => Promise<void> {
  const { database } = parts;
  let stopping = false;
  const ending = new AbortController();
  const archive = async (): Promise<void> => {
    while (!stopping) {
      const runs = await takeToArchive(database);
      await eachAtOnce(runs, limits.archiveAtOnceMax, async (run) => {
        // What is not begun comes back when its lease ends.
        if (!stopping) await archiveRun(parts, run, { log, signal: ending.signal });
      });
      if (runs.length < limits.archiveBatchMax) return;
    }
  };
  const remove = async (): Promise<void> => {
    const days = settings.recordingDays ?? limits.recordingDaysDefault;
    while (!stopping && (await removeOldHistories(database, days)) === limits.archiveRemoveMax);
  };
  const loops = [
    repeat(archive, { everyMs: limits.archiveEveryMs, failed, log }),
    // Apart: a list that Temporal does not give must not keep back what is known to be due.
    repeat(() => listContinued(parts, () => stopping, log), {
      everyMs: limits.archiveEveryMs,
      failed,
      log,
    }),
    repeat(remove, { everyMs: limits.archiveRemoveEveryMs, failed, log }),
  ];
  return async () => {
    stopping = true;
    ending.abort();
    await Promise.all(loops.map((stop) => stop()));
  };
}

/** Makes runs due that continued as new since the last look. Its place is noted only when all pages are read. */
async function listContinued(
  { database, temporal }: Stores,
  isStopping: () => boolean,
  log: Log,
): Promise<void> {
  const listing = await takeListing(database);
  if (listing === undefined) return;
  const begunAt = new Date();
  const since =
    listing.seenUntil === null
      ? ''
      : ` and CloseTime >= "${new Date(listing.seenUntil.getTime() - limits.archiveListOverlapMs).toISOString()}"`;
  let nextPageToken: Uint8Array | undefined;
  for (let page = 0; page < limits.archiveListPagesMax && !isStopping(); page += 1) {
    const listed = await temporal.workflowService.listWorkflowExecutions({
      namespace: temporal.options.namespace,
      query: `WorkflowType = "${workflowType}" and ExecutionStatus = "ContinuedAsNew"${since}`,
      pageSize: limits.archiveListPageRowsMax,
      ...(nextPageToken === undefined ? {} : { nextPageToken }),
    });
    await noteClosed(
      database,
      listed.executions.map(({ execution }) => ({
        run: execution?.workflowId ?? '',
        execution: execution?.runId ?? '',
      })),
    );
    nextPageToken = listed.nextPageToken;
    if (nextPageToken === undefined || nextPageToken === null || nextPageToken.length === 0)
      return noteListed(database, begunAt);
  }
  log.warn('the list of continued executions was not read to its end', {
    pagesMax: limits.archiveListPagesMax,
  });
}

async function archiveRun(
  parts: Stores,
  run: RunToArchive,
  { log, signal }: { readonly log: Log; readonly signal: AbortSignal },
): Promise<void> {
  const { database, temporal } = parts;
  try {
    const known = await keptHistories(database, run.id);
    const { behind, executions } = await temporal.withAbortSignal(signal, () =>
      temporal.withDeadline(Date.now() + limits.archiveFetchMsMax, () =>
        fetchUnarchived(temporal, run.id, known),
      ),
    );
    let last: string | undefined;
    for (const [index, { runId, history }] of executions.entries()) {
      const closed = closedBy(history);
      last = closed;
      if (closed === 'open') break;
      await keepHistory(database, run.no, {
        number: behind + index + 1,
        execution: runId,
        closed,
        events: history.events?.length ?? 0,
        text: historyToJSON(history),
      });
    }
    // Its books are closed and its workflow is about to.
    if (run.hasEnded && last === 'open') return await delay(database, run, null);
    await noteArchived(database, run.no, { complete: run.hasEnded });
  } catch (error) {
    const type = error instanceof BelayerError ? error.type : undefined;
    const isMissing = type === failureType.runUnknown;
    const isLast = isMissing && run.attempts >= limits.archiveAttemptsMax;
    const { message } = error as Error;
    if (isLast)
      log.error('histories of a run are lost: Temporal has them no more', { run: run.id });
    else if (!isMissing && type !== failureType.serverUnreachable && !signal.aborted)
      log.warn('a run could not be archived yet', { run: run.id, error: message });
    if (isLast) await delayArchiving(database, run.no, { delayMs: undefined, error: message });
    else await delay(database, run, message);
  }
}

/** Doubling. An outage is waited for as long as it lasts; only what Temporal does not have is given up. */
function delay(
  database: Stores['database'],
  run: RunToArchive,
  error: string | null,
): Promise<void> {
  const delayMs = Math.min(
    limits.archiveRetryFirstDelayMs * 2 ** Math.min(run.attempts - 1, 20),
    limits.archiveRetryMaxDelayMs,
  );
  return delayArchiving(database, run.no, { delayMs, error });
}
