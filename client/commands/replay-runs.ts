/**
 * Replays many runs over several processes.
 *
 * 1. A history is fetched when a process is free for it, so at most one per process is in memory.
 * 2. A process that dies fails the run it had, and another takes its place.
 * 3. At the deadline what has not been replayed is said to be so, and no process stays.
 */
import type { Replayed } from './load-replay.ts';
import { startReplayProcess } from './replay-process.ts';

export interface RunToReplay {
  readonly id: string;
  readonly agent: string;
}

export type Verdict = RunToReplay & { readonly ms: number } & (
    | { readonly kind: 'replayed'; readonly replayed: Replayed }
    /** Its history is not held any more, or not all of it. */
    | { readonly kind: 'not-held'; readonly because: string }
    /** The replay itself failed. */
    | { readonly kind: 'failed'; readonly because: string }
    /** The time was over. */
    | { readonly kind: 'not-reached' }
  );

type Result = Verdict extends infer Each
  ? Each extends Verdict
    ? Omit<Each, keyof RunToReplay | 'ms'>
    : never
  : never;

export interface ReplayRuns {
  readonly runs: readonly RunToReplay[];
  readonly processes: number;
  readonly msMax: number;
  /** The exported history as JSON; undefined where it is not held, with the reason. */
  readonly fetch: (run: string) => Promise<{ readonly json: string } | { readonly gone: string }>;
  readonly onVerdict: (verdict: Verdict) => void;
}

export async function replayRuns(given: ReplayRuns): Promise<void> {
  const deadline = new AbortController();
  const timer = setTimeout(() => deadline.abort(), given.msMax);
  const waiting = given.runs.values();
  try {
    await Promise.all(
      Array.from({ length: Math.min(given.processes, given.runs.length) }, () =>
        replaySome(given, waiting, deadline.signal),
      ),
    );
  } finally {
    clearTimeout(timer);
  }
}

async function replaySome(
  { fetch, onVerdict }: ReplayRuns,
  waiting: Iterator<RunToReplay>,
  deadline: AbortSignal,
): Promise<void> {
  let replaying = startReplayProcess();
  const atDeadline = (): void => replaying.kill();
  deadline.addEventListener('abort', atDeadline);
  try {
    for (let next = waiting.next(); next.done !== true; next = waiting.next()) {
      const startedAt = Date.now();
      const tell = (result: Result): void =>
        onVerdict({ ...next.value, ms: Date.now() - startedAt, ...result } as Verdict);
      if (deadline.aborted) {
        tell({ kind: 'not-reached' });
        continue;
      }
      const fetched = await fetch(next.value.id);
      if ('gone' in fetched) {
        tell({ kind: 'not-held', because: fetched.gone });
        continue;
      }
      const answer = await replaying.replay(fetched.json);
      if ('replayed' in answer) tell({ kind: 'replayed', replayed: answer.replayed });
      else if (deadline.aborted) tell({ kind: 'not-reached' });
      else tell({ kind: 'failed', because: answer.failed });
      if (replaying.hasEnded() && !deadline.aborted) replaying = startReplayProcess();
    }
  } finally {
    deadline.removeEventListener('abort', atDeadline);
    replaying.kill();
  }
}
