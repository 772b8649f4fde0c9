import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import { BelayerError, failureType, invariant } from '../contracts/failures.ts';
import { findOnPath } from './find-executable.ts';
import { commandLineOf, identityOf, isAlive, type ProcessIdentity } from './process-identity.ts';
import type { ServerLaunch } from './server-launch.ts';
import { lastLines, preparedLog } from './server-log.ts';
import { serverLimits } from './server-limits.ts';
import { sleep, stopProcess } from './stop-process.ts';

/** A server process, whether it is our child or was left by a supervisor that was killed. */
export interface RunningServer {
  readonly launch: ServerLaunch;
  readonly identity: ProcessIdentity;
  /** Settles with how it ended, whoever ended it. */
  readonly ended: Promise<string>;
  /** Ends it cleanly, or kills it after `stopMsMax`. Does nothing to a process that is gone. */
  stop(): Promise<void>;
}

/**
 * Starts a server and waits until it serves. Its output goes straight to its log file, never
 * through a pipe, so that it lives on when the process that started it is killed.
 * @param onSpawn  Called in the same moment the process exists, so that it can be recorded before anything else happens.
 * @param life  `own`: it lives on when this process is killed, to be found by the next supervisor. `with-parent`: the
 *              kernel kills it then (on Linux; elsewhere it is left behind).
 * @throws ServerMissing  It ended or did not serve in time; with the last lines of its log. It is not running then.
 */
export async function startServer(
  launch: ServerLaunch,
  onSpawn: (identity: ProcessIdentity) => void = () => {},
  life: 'own' | 'with-parent' = 'own',
): Promise<RunningServer> {
  await launch.clearTheWay?.();
  const logStart = preparedLog(launch.logFile);
  const log = openSync(launch.logFile, 'a', 0o600);
  const tie =
    life === 'with-parent' && process.platform === 'linux' ? findOnPath('setpriv') : undefined;
  const [command = '', ...args] = [
    ...(tie === undefined ? [] : [tie, '--pdeathsig', 'KILL']),
    launch.command,
    ...launch.args,
  ];
  const child = spawn(command, args, {
    cwd: launch.cwd,
    env: launch.env,
    stdio: ['ignore', log, log],
    // A Ctrl-C in the terminal of a test reaches the whole process group; the server is stopped by its owner instead.
    detached: true,
    ...(launch.uid === undefined ? {} : { uid: launch.uid }),
    ...(launch.gid === undefined ? {} : { gid: launch.gid }),
  });
  closeSync(log);
  const ended = new Promise<string>((resolve) => {
    child.once('error', (error) => resolve(`it could not start: ${error.message}`));
    child.once('exit', (code, signal) =>
      resolve(signal === null ? `it ended with exit code ${code}` : `it was ended by ${signal}`),
    );
  });
  const identity = child.pid === undefined ? undefined : identityOf(child.pid);
  if (identity === undefined) throw notServing(launch, await ended, logStart);
  onSpawn(identity);
  const running: RunningServer = {
    launch,
    identity,
    ended,
    stop: () => stopServer(identity, launch),
  };
  await untilServing(running, logStart);
  return running;
}

/**
 * Takes over a server that a killed supervisor left behind. Undefined when the recorded process is
 * gone or another program has its pid. The caller stops it if it is not the one that is wanted.
 */
export function findLeftover(
  launch: ServerLaunch,
  identity: ProcessIdentity,
): RunningServer | undefined {
  if (!isAlive(identity) || !commandLineOf(identity.pid).includes(launch.mark)) return undefined;
  return {
    launch,
    identity,
    ended: watchUntilGone(identity),
    stop: () => stopServer(identity, launch),
  };
}

/** Waits until it serves. When it does not, it is stopped and the reason thrown. */
export async function untilServing(running: RunningServer, logStart = 0): Promise<void> {
  const { launch } = running;
  const abort = new AbortController();
  const timer = setTimeout(() => abort.abort(), serverLimits.serveMsMax);
  const served = launch.waitUntilServing(abort.signal).then(
    () => undefined,
    (error: unknown) => `it does not serve: ${String((error as Error).message)}`,
  );
  const died = running.ended.then((how) => how);
  const problem = await Promise.race([served, died]);
  clearTimeout(timer);
  abort.abort();
  if (problem === undefined) return;
  await running.stop();
  throw notServing(launch, problem, logStart);
}

async function stopServer(identity: ProcessIdentity, launch: ServerLaunch): Promise<void> {
  const how = await stopProcess(identity, launch.quitSignal);
  invariant(how !== 'survived', `process ${identity.pid} (${launch.name}) ends when it is killed`);
}

async function watchUntilGone(identity: ProcessIdentity): Promise<string> {
  while (isAlive(identity)) await sleep(serverLimits.watchMs);
  return 'it is gone';
}

const titles = { temporal: 'The Temporal dev server', postgres: 'PostgreSQL' } as const;

function notServing(launch: ServerLaunch, problem: string, logStart: number): BelayerError {
  const said = lastLines(launch.logFile, logStart);
  return new BelayerError(
    failureType.serverMissing,
    `${titles[launch.name]} ${launch.version} (${launch.command}) did not start: ${problem}. ` +
      (said === ''
        ? `Its log ${launch.logFile} is empty.`
        : `The end of ${launch.logFile}:\n${said}`),
  );
}
