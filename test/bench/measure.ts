/** One load on one variant, and what it cost everywhere. */
import { setTimeout as pause } from 'node:timers/promises';
import type { Load, LoadResult } from './carry-load.ts';
import { postgresBytes, sqliteBytes } from './database-bytes.ts';
import { processorMs } from './processor-time.ts';
import type { Stage } from './stage.ts';
import type { Variant } from './workloads.ts';

/** Costs are per run. */
export interface Measurement {
  readonly variant: Variant;
  readonly runs: number;
  readonly runsPerSecond: number;
  readonly latencyMsMedian: number;
  readonly workerMs: number;
  readonly temporalMs: number;
  readonly postgresMs: number;
  readonly providerMs: number;
  readonly temporalBytes: number;
  readonly postgresBytes: number;
  readonly historyBytes: number;
  readonly historyEvents: number;
}

/** What the servers still do for runs that have ended, before the next variant begins. */
const settlingMs = 400;

export async function measure(stage: Stage, load: Load): Promise<Measurement> {
  const before = await costs(stage);
  const result = await stage.workerOf(load.variant).ask<LoadResult>('load', load);
  await pause(settlingMs);
  const after = await costs(stage);
  const each = (name: keyof Costs): number => (after[name] - before[name]) / result.runs;
  return {
    variant: load.variant,
    runs: result.runs,
    runsPerSecond: result.runs / result.seconds,
    latencyMsMedian: result.latencyMsMedian,
    workerMs: result.processorMs / result.runs,
    temporalMs: each('temporalMs'),
    postgresMs: each('postgresMs'),
    providerMs: each('providerMs'),
    temporalBytes: each('temporalBytes'),
    postgresBytes: each('postgresBytes'),
    ...(await historyOf(stage, result.sample)),
  };
}

interface Costs {
  readonly temporalMs: number;
  readonly postgresMs: number;
  readonly providerMs: number;
  readonly temporalBytes: number;
  readonly postgresBytes: number;
}

const costs = async (stage: Stage): Promise<Costs> => ({
  temporalMs: processorMs(stage.temporalPid),
  postgresMs: processorMs(stage.postgresPid),
  providerMs: processorMs(stage.providerPid),
  temporalBytes: sqliteBytes(stage.sqliteFile),
  postgresBytes: await postgresBytes(stage.databaseUrl),
});

/** Of every execution of a run: continue-as-new begins a new history, and all of them count. */
async function historyOf(
  stage: Stage,
  sample: readonly string[],
): Promise<{ readonly historyBytes: number; readonly historyEvents: number }> {
  let bytes = 0;
  let events = 0;
  for (const workflowId of sample) {
    let runId: string | undefined;
    do {
      const handle = stage.temporal.workflow.getHandle(workflowId, runId);
      const described = await handle.describe();
      bytes += described.historySize ?? 0;
      events += described.historyLength;
      const { workflowService, options } = stage.temporal;
      // The first event alone: a whole history of the hand-written loop is more than one message may hold.
      const first = await workflowService.getWorkflowExecutionHistory({
        namespace: options.namespace,
        execution: { workflowId, runId: described.runId },
        maximumPageSize: 1,
      });
      runId =
        first.history?.events?.[0]?.workflowExecutionStartedEventAttributes
          ?.continuedExecutionRunId || undefined;
    } while (runId !== undefined);
  }
  return { historyBytes: bytes / sample.length, historyEvents: events / sample.length };
}
