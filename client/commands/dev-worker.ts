/** The worker process of `belayer dev`: started again when the code changes or when it crashes. */
import { type ChildProcess, spawn } from 'node:child_process';
import { join } from 'node:path';
import { packageFolder } from '../../servers/package-folder.ts';
import { exitCode } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';
import type { WorkerReady } from './worker-command.ts';

const crashDelayMsMin = 500;
const crashDelayMsMax = 30_000;
/** A worker that lived so long has not crashed at its start. */
const healthyAfterMs = 30_000;
/** What the old worker is given before the new one starts beside it. */
const handoverMsMax = 2_000;
/** What it is given in all; its own drain takes 30 s at most. */
const drainMsMax = 40_000;

export interface DevWorker {
  /** Stops the worker that runs, if one does, and starts another. */
  restart(): Promise<void>;
  stop(): Promise<void>;
}

export function createDevWorker(
  terminal: Terminal,
  file: string,
  onReady: (ready: WorkerReady) => void,
): DevWorker {
  let current: ChildProcess | undefined;
  let again: NodeJS.Timeout | undefined;
  let crashDelayMs = crashDelayMsMin;
  let isStopping = false;

  const start = (): void => {
    const startedAt = Date.now();
    let isReady = false;
    const child = spawn(
      process.execPath,
      [join(packageFolder(), 'client', 'belayer.mjs'), 'worker', '--app', file],
      {
        stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
        cwd: terminal.folder,
        env: process.env,
        // Ctrl-C is for this process alone: it stops the worker in order.
        detached: true,
      },
    );
    current = child;
    child.on('message', (ready: WorkerReady) => {
      isReady = true;
      onReady(ready);
    });
    child.on('error', (error) => terminal.note(`The worker cannot be started: ${error.message}`));
    child.on('exit', (code, signal) => {
      if (current !== child) return;
      current = undefined;
      if (isStopping) return;
      const isForCode = !isReady && signal === null && code !== exitCode.unreachable;
      if (isForCode) {
        terminal.note('The worker did not start. It is tried again when a file changes.');
        return;
      }
      if (Date.now() - startedAt > healthyAfterMs) crashDelayMs = crashDelayMsMin;
      terminal.note(
        `The worker ended (${signal ?? `exit code ${code}`}); another starts in ${crashDelayMs} ms.`,
      );
      again = setTimeout(start, crashDelayMs);
      crashDelayMs = Math.min(crashDelayMs * 2, crashDelayMsMax);
    });
  };

  const end = async (waitMs: number): Promise<void> => {
    clearTimeout(again);
    const child = current;
    current = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = new Promise<void>((resolve) => child.once('exit', () => resolve()));
    child.kill('SIGTERM');
    const kill = setTimeout(() => child.kill('SIGKILL'), drainMsMax);
    void gone.then(() => clearTimeout(kill));
    await Promise.race([gone, new Promise((resolve) => setTimeout(resolve, waitMs))]);
  };

  return {
    async restart() {
      await end(handoverMsMax);
      crashDelayMs = crashDelayMsMin;
      if (!isStopping) start();
    },
    stop() {
      isStopping = true;
      return end(drainMsMax);
    },
  };
}
