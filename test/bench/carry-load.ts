/** Carries runs out inside a worker process, so that what a start costs is counted with the run. */
import type { Variant } from './workloads.ts';

export interface Load {
  readonly variant: Variant;
  readonly task: string;
  readonly runs: number;
  readonly concurrency: number;
}

export interface LoadResult {
  readonly runs: number;
  readonly seconds: number;
  /** From asking for the run to having its output. */
  readonly latencyMsMedian: number;
  /** Of this process: worker, client and the SDK's native threads. */
  readonly processorMs: number;
  /** Workflow ids of a few of the runs. */
  readonly sample: readonly string[];
}

/** Carries one run out and gives its workflow id. It throws where the output is not the expected one. */
export type CarryOut = (variant: Variant, task: string) => Promise<string>;

export async function carryLoad(load: Load, carryOut: CarryOut): Promise<LoadResult> {
  const latencies: number[] = [];
  const sample: string[] = [];
  let left = load.runs;
  const before = process.cpuUsage();
  const startedAt = performance.now();
  const lane = async (): Promise<void> => {
    while (left > 0) {
      left -= 1;
      const began = performance.now();
      const id = await carryOut(load.variant, load.task);
      latencies.push(performance.now() - began);
      if (sample.length < 5) sample.push(id);
    }
  };
  await Promise.all(Array.from({ length: Math.min(load.concurrency, load.runs) }, lane));
  const seconds = (performance.now() - startedAt) / 1000;
  const used = process.cpuUsage(before);
  return {
    runs: load.runs,
    seconds,
    latencyMsMedian: latencies.toSorted((left, right) => left - right)[latencies.length >> 1] ?? 0,
    processorMs: (used.user + used.system) / 1000,
    sample,
  };
}
