import { spawn } from 'node:child_process';
import { closeSync, openSync } from 'node:fs';
import type { Socket } from 'node:net';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { checkWritable } from './check-writable.ts';
import type { ServerName } from './server-addresses.ts';
import { serverEnvironment } from './server-environment.ts';
import { lastLines, preparedLog } from './server-log.ts';
import { serverLimits } from './server-limits.ts';
import { siblingProgram } from './sibling-program.ts';
import { sleep } from './stop-process.ts';
import { connectSupervisor } from './supervisor-connection.ts';
import type { SupervisorPlaces } from './supervisor-places.ts';
import { livingSupervisor } from './supervisor-process.ts';
import {
  onLines,
  protocolVersion,
  sendLine,
  type Answer,
  type EmbeddedAddresses,
} from './supervisor-protocol.ts';
import { watchSilence } from './watch-silence.ts';

export interface JoinOptions {
  readonly places: SupervisorPlaces;
  readonly want: readonly ServerName[];
  readonly namespace?: string;
  readonly graceMs?: number;
  readonly log: (line: string) => void;
  readonly signal?: AbortSignal;
}

export interface Joined {
  readonly addresses: EmbeddedAddresses;
  readonly socket: Socket;
  /** Settles when the connection ends: `undefined` when it was cut, else why the servers were stopped on purpose. */
  readonly ended: Promise<string | undefined>;
}

interface Spawned {
  /** Undefined while it runs. */
  exitCode: number | undefined;
  readonly logStart: number;
}

/**
 * Connects to the supervisor of a data folder, starting one when there is none, and waits until the
 * wanted servers serve. Bounded by `leaseMsMax`, and by `silenceMsMax` where the supervisor lives but
 * says nothing at all; what takes long says so through `log`.
 * @throws BelayerError  What the supervisor said, or why none could be started, with the end of its log.
 */
export async function joinSupervisor(options: JoinOptions): Promise<Joined> {
  const { places, signal } = options;
  const end = Date.now() + serverLimits.leaseMsMax;
  let spawned: Spawned | undefined;
  let spawns = 0;
  let startedAt = Date.now();
  while (Date.now() < end) {
    signal?.throwIfAborted();
    const socket = await connectSupervisor(places.socket);
    if (socket !== undefined) {
      const joined = await lease(socket, options, end);
      if (joined !== undefined) return joined;
      // It was just stopping, or it was killed; the next one will do.
      startedAt = Date.now();
    } else if (spawned === undefined || spawned.exitCode !== undefined) {
      if ((spawned?.exitCode ?? 0) !== 0 || spawns >= serverLimits.supervisorSpawnsMax)
        throw notStarted(places, spawned);
      spawns++;
      spawned = spawnSupervisor(places, options.graceMs);
      startedAt = Date.now();
    } else if (Date.now() - startedAt > serverLimits.supervisorStartMsMax) {
      throw notStarted(places, spawned);
    }
    await sleep(serverLimits.supervisorConnectMs);
  }
  throw tooLong(places);
}

/** Asks for a lease; undefined when the connection ended without an answer. */
function lease(socket: Socket, options: JoinOptions, end: number): Promise<Joined | undefined> {
  return new Promise((resolve, reject) => {
    let stopping: string | undefined;
    const endWaiting = (): void => {
      clearTimeout(timer);
      silence.end();
      options.signal?.removeEventListener('abort', onAbort);
    };
    const fail = (error: unknown): void => {
      endWaiting();
      socket.destroy();
      reject(error as Error);
    };
    const timer = setTimeout(() => fail(tooLong(options.places)), Math.max(0, end - Date.now()));
    const silence = watchSilence(serverLimits.silenceMsMax, () => fail(silent(options.places)));
    const onAbort = (): void => fail(options.signal?.reason);
    options.signal?.addEventListener('abort', onAbort, { once: true });
    const ended = new Promise<string | undefined>((settle) =>
      socket.once('close', () => settle(stopping)),
    );
    void ended.then(() => {
      endWaiting();
      resolve(undefined);
    });
    onLines(socket, (message) => {
      const answer = message as Answer;
      silence.heard();
      if ('progress' in answer) options.log(answer.progress);
      else if ('stopping' in answer) stopping = answer.stopping;
      else if ('error' in answer) fail(new BelayerError(answer.error.type, answer.error.message));
      else if ('ready' in answer) {
        endWaiting();
        resolve({ addresses: answer.ready, socket, ended });
      }
    });
    const { want, namespace } = options;
    sendLine(socket, {
      hello: protocolVersion,
      ask: 'lease',
      want,
      pid: process.pid,
      ...(namespace === undefined ? {} : { namespace }),
    });
  });
}

/** Starts a supervisor that does not belong to this process: its own session, its own log, no secrets in its environment. */
function spawnSupervisor(places: SupervisorPlaces, graceMs: number | undefined): Spawned {
  // Told here as one sentence: the supervisor could not even write its log.
  checkWritable(places.dataFolder, 'BELAYER_DATA');
  const { command, args } = siblingProgram('supervisor-main');
  const logStart = preparedLog(places.log);
  const log = openSync(places.log, 'a', 0o600);
  const child = spawn(command, [...args, places.dataFolder], {
    cwd: places.dataFolder,
    detached: true,
    stdio: ['ignore', log, log],
    env: {
      ...serverEnvironment(),
      ...(graceMs === undefined ? {} : { BELAYER_SERVERS_GRACE_MS: String(graceMs) }),
    },
  });
  closeSync(log);
  child.unref();
  const spawned: Spawned = { exitCode: undefined, logStart };
  // One that was killed did not fail: another is started, at most `supervisorSpawnsMax` times.
  child.once('exit', (code) => (spawned.exitCode = code ?? 0));
  child.once('error', () => (spawned.exitCode = 1));
  return spawned;
}

function notStarted(places: SupervisorPlaces, spawned: Spawned | undefined): BelayerError {
  const said = lastLines(places.log, spawned?.logStart);
  return new BelayerError(
    failureType.serverMissing,
    `The embedded servers of ${places.dataFolder} could not be started. ` +
      (said === '' ? `${places.log} is empty.` : `The end of ${places.log}:\n${said}`),
  );
}

function silent(places: SupervisorPlaces): BelayerError {
  const pid = livingSupervisor(places.record)?.pid;
  return new BelayerError(
    failureType.serverUnreachable,
    `The supervisor of the embedded servers of ${places.dataFolder} (${pid === undefined ? 'pid unknown' : `pid ${pid}`}) lives but has said nothing for ${serverLimits.silenceMsMax / 1000} s. ` +
      `See ${places.log}; \`belayer servers stop\` ends it and its servers, then try again.`,
  );
}

function tooLong(places: SupervisorPlaces): BelayerError {
  return new BelayerError(
    failureType.serverMissing,
    `The embedded servers of ${places.dataFolder} were not ready within ${serverLimits.leaseMsMax / 1000} s. See ${places.log}; \`belayer servers stop\` ends them.`,
  );
}
