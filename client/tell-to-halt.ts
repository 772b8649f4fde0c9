import { WorkflowNotFoundError } from '@temporalio/client';
import { limits } from '../contracts/limits.ts';
import { type HaltMessage, message } from '../contracts/messages.ts';
import { endQueuedOf } from '../storage/admission.ts';
import type { Database } from '../storage/database.ts';
import { noteHaltSent, putBackToHalt, type RunToHalt } from '../storage/stop-flags.ts';
import { isUnreachable, type Parts } from './parts.ts';

/** What became of a batch. `unreachable`: Temporal does not answer, so the rest was put back. */
export interface Told {
  readonly told: number;
  readonly failures: readonly string[];
  readonly unreachable?: string;
}

/**
 * Sends the halt signal to runs that were taken (`takeToHalt`), a bounded number at once. Their flag
 * stands already, so nothing of them starts; this wakes those that wait.
 */
export async function tellToHalt(
  parts: { readonly database: Database; readonly temporal: Parts['temporal'] },
  runs: readonly RunToHalt[],
): Promise<Told> {
  // Those that queue have no workflow that could hear: they end here, and never start.
  const ended = await endQueuedOf(parts.database, runs);
  const told: RunToHalt[] = runs.filter(({ run }) => ended.has(run));
  const failures: string[] = [];
  let unreachable: string | undefined;
  const waiting = runs.filter(({ run }) => !ended.has(run));
  const sendAll = async (): Promise<void> => {
    for (let run = waiting.shift(); run !== undefined; run = waiting.shift()) {
      try {
        await sendHalt(parts.temporal, run.run, { ...messageOf(run), flagged: true });
        told.push(run);
      } catch (error) {
        // No workflow: it ends just now, or its start is under way and its first claim is refused.
        if (error instanceof WorkflowNotFoundError) told.push(run);
        else if (isUnreachable(error)) {
          unreachable = (error as Error).message;
          waiting.unshift(run);
          return;
        } else {
          // It stays taken for a while: a run that Temporal refuses must not be tried without end.
          failures.push(`${run.run}: ${(error as Error).message}`);
        }
        if (unreachable !== undefined) return;
      }
    }
  };
  await Promise.all(Array.from({ length: limits.haltSignalsMax }, sendAll));
  await noteHaltSent(parts.database, told);
  await putBackToHalt(parts.database, waiting);
  return {
    told: told.length,
    failures,
    ...(unreachable === undefined ? {} : { unreachable }),
  };
}

const messageOf = ({ reason, by }: RunToHalt): HaltMessage => ({ reason, by });

/** One halt signal, with a deadline: who halts does not wait for a server that is frozen. */
export async function sendHalt(
  temporal: Parts['temporal'],
  run: string,
  halt: HaltMessage,
): Promise<void> {
  await temporal.withDeadline(Date.now() + limits.haltSignalMsMax, () =>
    temporal.workflow.getHandle(run).signal<[HaltMessage]>(message.halt, halt),
  );
}
