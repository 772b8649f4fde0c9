/** A process that replays what it is sent: the native worker keeps one core busy, and its memory is its own. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { packageFolder } from '../../servers/package-folder.ts';
import { type Replayed, withStrictReplay } from './load-replay.ts';

type Answer = { readonly replayed: Replayed } | { readonly failed: string };

export interface ReplayProcess {
  /** Never throws: a process that died is an answer. */
  replay(json: string): Promise<Answer>;
  hasEnded(): boolean;
  kill(): void;
}

export function startReplayProcess(): ReplayProcess {
  const child: ChildProcess = spawn(
    process.execPath,
    [join(packageFolder(), 'client', 'belayer.mjs'), 'replay-process'],
    { stdio: ['ignore', 'ignore', 'inherit', 'ipc'] },
  );
  let ended: string | undefined;
  let answer: (answer: Answer) => void = () => undefined;
  child.on('message', (said: Answer) => answer(said));
  child.on('error', (error) => {
    ended ??= `The replaying process cannot be started: ${error.message}`;
    answer({ failed: ended });
  });
  child.on('exit', (code, signal) => {
    ended ??= `The replaying process ended (${signal ?? `exit code ${code}`}).`;
    answer({ failed: ended });
  });
  return {
    replay: (json) =>
      new Promise<Answer>((resolve) => {
        if (ended !== undefined) return resolve({ failed: ended });
        answer = resolve;
        child.send({ json }, (error) => {
          if (error !== null) resolve({ failed: `It could not be sent: ${error.message}` });
        });
      }),
    hasEnded: () => ended !== undefined,
    kill: () => void child.kill('SIGKILL'),
  };
}

/** What that process does: answers one history after the other, until its parent is gone. */
export function serveReplays(): Promise<void> {
  return withStrictReplay(async (strict) => {
    const gone = new Promise<void>((resolve) => process.once('disconnect', resolve));
    process.on('message', ({ json }: { readonly json: string }) => {
      void strict
        .replay(json)
        .then(
          (replayed): Answer => ({ replayed }),
          (error: unknown): Answer => ({
            failed: error instanceof Error ? error.message : String(error),
          }),
        )
        .then((answer) => process.send?.(answer));
    });
    await gone;
  });
}
