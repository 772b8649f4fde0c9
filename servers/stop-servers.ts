import { existsSync } from 'node:fs';
import { commandLineOf, isAlive } from './process-identity.ts';
import type { ServerName } from './server-addresses.ts';
import { serverLimits } from './server-limits.ts';
import { readRecord } from './servers-record.ts';
import { sleep, stopProcess } from './stop-process.ts';
import { connectSupervisor } from './supervisor-connection.ts';
import { supervisorPlaces } from './supervisor-places.ts';
import { protocolVersion, sendLine } from './supervisor-protocol.ts';

export interface StopReport {
  /** `supervisor`: it stopped its servers. `leftovers`: it was gone, and its servers were stopped by pid. `nothing`: none ran. */
  readonly stopped: 'supervisor' | 'leftovers' | 'nothing';
  readonly pids: readonly number[];
}

/** Stops the embedded servers of a data folder, whoever holds leases on them; resolves when they are gone. */
export async function stopServers(dataFolder: string): Promise<StopReport> {
  if (!existsSync(dataFolder)) return { stopped: 'nothing', pids: [] };
  const places = supervisorPlaces(dataFolder);
  const { supervisor } = readRecord(places.record);
  const socket = await connectSupervisor(places.socket);
  if (socket !== undefined) {
    socket.resume();
    sendLine(socket, { hello: protocolVersion, ask: 'stop' });
    await Promise.race([
      new Promise<void>((resolve) => socket.once('close', () => resolve())),
      sleep(serverLimits.supervisorHandoverMsMax),
    ]);
    socket.destroy();
    for (
      const end = Date.now() + serverLimits.killMsMax;
      supervisor !== undefined && isAlive(supervisor) && Date.now() < end;
    )
      await sleep(20);
  }
  const pids = socket === undefined || supervisor === undefined ? [] : [supervisor.pid];
  // A supervisor that hangs is ended as well, or it would start its servers again.
  if (
    supervisor !== undefined &&
    isAlive(supervisor) &&
    commandLineOf(supervisor.pid).includes('supervisor-main')
  ) {
    await stopProcess(supervisor, 'SIGTERM', serverLimits.supervisorHandoverMsMax);
  }
  const leftovers: number[] = [];
  for (const [name, server] of Object.entries(readRecord(places.record).servers) as [
    ServerName,
    { process?: { pid: number; startedAt: string }; mark: string },
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
  if (socket !== undefined) return { stopped: 'supervisor', pids: [...pids, ...leftovers] };
  return { stopped: leftovers.length > 0 ? 'leftovers' : 'nothing', pids: leftovers };
}
