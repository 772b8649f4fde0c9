import { connect, type Socket } from 'node:net';
import { serverLimits } from './server-limits.ts';
import {
  onLines,
  protocolVersion,
  sendLine,
  type Answer,
  type SupervisorStatus,
} from './supervisor-protocol.ts';

/** A connection to the supervisor of this socket; undefined when nobody listens there. */
export function connectSupervisor(socketPath: string): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect(socketPath);
    socket.once('connect', () => {
      socket.on('error', () => {});
      resolve(socket);
    });
    // No file, a file of a dead process, a full queue: nobody to talk to now.
    socket.once('error', () => resolve(undefined));
  });
}

export async function supervisorAnswers(socketPath: string): Promise<boolean> {
  return (await askStatus(socketPath)) !== undefined;
}

/** What the supervisor says of itself; undefined when there is none or it does not answer in time. Takes no lease. */
export async function askStatus(socketPath: string): Promise<SupervisorStatus | undefined> {
  const socket = await connectSupervisor(socketPath);
  if (socket === undefined) return undefined;
  return new Promise((resolve) => {
    const finish = (status: SupervisorStatus | undefined): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(status);
    };
    const timer = setTimeout(() => finish(undefined), serverLimits.reachMsMax);
    socket.once('close', () => finish(undefined));
    onLines(socket, (message) => {
      const answer = message as Answer;
      if ('status' in answer) finish(answer.status);
    });
    sendLine(socket, { hello: protocolVersion, ask: 'status' });
  });
}
