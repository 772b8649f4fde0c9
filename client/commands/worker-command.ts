import { exitCode } from './exit-codes.ts';
import { watchInterrupts } from './interrupts.ts';
import { loadApplicationOf, type RunningWorker, startWorkerOf } from './load-worker.ts';
import { safeText } from './safe-text.ts';
import type { Terminal } from './terminal.ts';

/** What a worker tells the process that started it, `belayer dev`. */
export interface WorkerReady {
  readonly kind: 'ready';
  readonly agents: readonly string[];
}

export async function workerCommand(
  terminal: Terminal,
  flags: { readonly app?: string },
): Promise<number> {
  const parent = process.send === undefined ? undefined : process;
  const interrupts = watchInterrupts(terminal, () => {
    if (parent === undefined) terminal.note('Stopping: calls in flight end first, 30 s at most.');
  });
  // A worker of `belayer dev` does not outlive it.
  parent?.once('disconnect', () => process.kill(process.pid, 'SIGTERM'));
  try {
    const application = await loadApplicationOf(terminal, flags.app);
    const worker = await startWorkerOf(terminal, application, {
      signal: interrupts.signal,
      // `belayer dev` shows the events of all runs itself.
      ...(parent === undefined ? {} : { logLevel: 'error' as const }),
    });
    if (worker.notice !== undefined) terminal.note(worker.notice);
    const ready: WorkerReady = { kind: 'ready', agents: worker.agents };
    if (parent === undefined)
      terminal.note(
        `Working for ${worker.agents.map((agent) => safeText(agent)).join(', ')} on Temporal at ${worker.addresses.temporal.address}${worker.addresses.temporal.uiUrl === undefined ? '' : ` (${worker.addresses.temporal.uiUrl})`}.`,
      );
    else parent.send?.(ready);
    if (worker.build !== undefined) terminal.note(buildLine(worker.build));
    const interrupted = new Promise<void>((resolve) => {
      if (interrupts.signal.aborted) resolve();
      interrupts.signal.addEventListener('abort', () => resolve());
    });
    await Promise.race([interrupted, worker.running]);
    await worker.stop();
    return exitCode.done;
  } catch (error) {
    if (interrupts.signal.aborted) return exitCode.done;
    throw error;
  } finally {
    interrupts.end();
  }
}

const buildLine = ({
  deployment,
  buildId,
  takesStarts,
}: NonNullable<RunningWorker['build']>): string =>
  takesStarts
    ? `Build ${buildId} of deployment ${deployment}: starts go to it.`
    : `Build ${buildId} of deployment ${deployment}: no start goes to it yet. To send them: belayer deployments promote ${buildId}`;
