import { existsSync } from 'node:fs';
import type { Socket } from 'node:net';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { commandLineOf, isAlive } from './process-identity.ts';
import type { ServerName } from './server-addresses.ts';
import { serverLimits } from './server-limits.ts';
import { readRecord, type RecordedServer } from './servers-record.ts';
import { sleep, stopProcess } from './stop-process.ts';
import { connectSupervisor } from './supervisor-connection.ts';
import { supervisorPlaces, type SupervisorPlaces } from './supervisor-places.ts';
import { livingSupervisor } from './supervisor-process.ts';
import { protocolVersion, sendLine } from './supervisor-protocol.ts';
import { watchSilence } from './watch-silence.ts';

export interface StopReport {
  /** `supervisor`: it stopped its servers. `leftovers`: it was gone or did not answer, and what was left was stopped by pid. `nothing`: none ran. */
  readonly stopped: 'supervisor' | 'leftovers' | 'nothing';
  readonly pids: readonly number[];
}

/**
 * Stops the embedded servers of a data folder, whoever holds leases on them; resolves when they are gone.
 *
 * A supervisor that is silent for `stopSilenceMsMax` is killed, and its servers are stopped by pid.
 * It could not tell its leases why, so one of them may start another within moments: that one is
 * asked to stop as well, and tells them.
 * @throws ServerUnreachable  It is silent and cannot be ended: the message says what to end by hand.
 */
export async function stopServers(dataFolder: string): Promise<StopReport> {
  if (!existsSync(dataFolder)) return { stopped: 'nothing', pids: [] };
  const places = supervisorPlaces(dataFolder);
  const pids: number[] = [];
  for (let round = 1; ; round++) {
    const { answer, pids: ended } = await stopOnce(places);
    pids.push(...ended);
    if (
      answer === 'silent' &&
      round < serverLimits.supervisorSpawnsMax &&
      (await anotherListens(places))
    )
      continue;
    if (answer === 'nobody' || answer === 'silent')
      return { stopped: pids.length > 0 ? 'leftovers' : 'nothing', pids };
    return { stopped: 'supervisor', pids };
  }
}

type StopAnswer = 'nobody' | 'stopped' | 'slow' | 'silent';

async function stopOnce(
  places: SupervisorPlaces,
): Promise<{ answer: StopAnswer; pids: readonly number[] }> {
  const { supervisor } = readRecord(places.record);
  const socket = await connectSupervisor(places.socket);
  const answer = socket === undefined ? 'nobody' : await askToStop(socket);
  if (answer === 'silent') {
    const silent = livingSupervisor(places.record);
    const how = silent === undefined ? 'survived' : await stopProcess(silent, 'SIGKILL');
    if (how === 'survived') throw cannotBeEnded(places, silent?.pid);
  } else if (answer !== 'nobody') {
    for (
      const end = Date.now() + serverLimits.killMsMax;
      supervisor !== undefined && isAlive(supervisor) && Date.now() < end;
    )
      await sleep(20);
  }
  // One that is slow, or that listens no more, is ended as well, or it would start its servers again.
  const remaining = livingSupervisor(places.record);
  if (remaining !== undefined)
    await stopProcess(remaining, 'SIGTERM', serverLimits.supervisorHandoverMsMax);
  const leftovers = await stopLeftovers(places);
  return {
    answer,
    pids:
      answer === 'nobody' || supervisor === undefined ? leftovers : [supervisor.pid, ...leftovers],
  };
}

/** The end of the connection is the answer; until then a supervisor that stops its servers says that it lives. */
function askToStop(socket: Socket): Promise<StopAnswer> {
  return new Promise((resolve) => {
    const finish = (answer: StopAnswer): void => {
      silence.end();
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const silence = watchSilence(serverLimits.stopSilenceMsMax, () => finish('silent'));
    const timer = setTimeout(() => finish('slow'), serverLimits.supervisorHandoverMsMax);
    socket.once('close', () => finish('stopped'));
    socket.on('data', () => silence.heard());
    sendLine(socket, { hello: protocolVersion, ask: 'stop' });
  });
}

async function stopLeftovers(places: SupervisorPlaces): Promise<readonly number[]> {
  const leftovers: number[] = [];
  for (const [name, server] of Object.entries(readRecord(places.record).servers) as [
    ServerName,
    RecordedServer,
  ][]) {
    if (
      server.process === undefined ||
      !isAlive(server.process) ||
      !commandLineOf(server.process.pid).includes(server.mark)
    )
      continue;
    await stopProcess(server.process, name === 'temporal' ? 'SIGTERM' : 'SIGINT');
    leftovers.push(server.process.pid);
  }
  return leftovers;
}

/** Whether a holder of a lease brings up another supervisor in the place of one that was killed. */
async function anotherListens(places: SupervisorPlaces): Promise<boolean> {
  for (const end = Date.now() + serverLimits.supervisorReturnMsMax; Date.now() < end;) {
    const socket = await connectSupervisor(places.socket);
    socket?.destroy();
    if (socket !== undefined) return true;
    await sleep(serverLimits.supervisorConnectMs);
  }
  return false;
}

function cannotBeEnded(places: SupervisorPlaces, pid: number | undefined): BelayerError {
  return new BelayerError(
    failureType.serverUnreachable,
    `The supervisor of the embedded servers of ${places.dataFolder} does not answer, and ` +
      (pid === undefined
        ? `${places.record} does not say which process it is. The file with the highest number in ${places.lockFolder} does: end that process, then try again.`
        : `process ${pid} could not be ended. End it, then try again.`) +
      ` Its log is ${places.log}.`,
  );
}
