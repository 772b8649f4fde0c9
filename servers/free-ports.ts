import { createServer, type Server } from 'node:net';
import { randomInt } from 'node:crypto';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { serverLimits } from './server-limits.ts';

/** Says whether a port of 127.0.0.1 can be bound now. It may be gone a moment later. */
export async function isFree(port: number): Promise<boolean> {
  const server = await bind(port);
  await close(server);
  return server !== undefined;
}

/** That many different free ports of 127.0.0.1, from `portMin` to `portMax` at random. All are held until the last one is found. */
export async function freePorts(count: number): Promise<number[]> {
  const held: Server[] = [];
  const ports: number[] = [];
  for (let attempt = 0; ports.length < count && attempt < serverLimits.portAttemptsMax; attempt++) {
    const port = randomInt(serverLimits.portMin, serverLimits.portMax + 1);
    const server = await bind(port);
    if (server === undefined) continue;
    held.push(server);
    ports.push(port);
  }
  await Promise.all(held.map(close));
  if (ports.length < count) {
    throw new BelayerError(
      failureType.serverMissing,
      `No ${count} free ports of 127.0.0.1 between ${serverLimits.portMin} and ${serverLimits.portMax} in ${serverLimits.portAttemptsMax} attempts. Stop what holds them, or run the servers yourself (TEMPORAL_ADDRESS, DATABASE_URL).`,
    );
  }
  return ports;
}

function bind(port: number): Promise<Server | undefined> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(undefined));
    server.listen({ port, host: '127.0.0.1', exclusive: true }, () => resolve(server));
  });
}

function close(server: Server | undefined): Promise<void> {
  return new Promise((resolve) =>
    server === undefined ? resolve() : server.close(() => resolve()),
  );
}
