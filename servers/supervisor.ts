/**
 * The one process per data folder that holds the embedded servers.
 *
 * 1. Who holds the lock of the data folder is the supervisor; only it touches the socket file and `servers.json`.
 * 2. A server is started when the first lease wants it; all stop `graceMs` after the last lease.
 * 3. It stops listening before it stops a server, so nobody gets a lease on servers that are going.
 */
import { chmodSync, rmSync } from 'node:fs';
import { createServer, type Server, type Socket } from 'node:net';
import { BelayerError, failureType, invariant } from '../contracts/failures.ts';
import { devServerFile } from './package-folder.ts';
import { preparePostgres, type PostgresLaunch } from './prepare-postgres.ts';
import { prepareTemporal, type TemporalLaunch } from './prepare-temporal.ts';
import { identityOf } from './process-identity.ts';
import type { ServerName } from './server-addresses.ts';
import { serverLimits } from './server-limits.ts';
import { readRecord, writeRecord, type RecordedServer } from './servers-record.ts';
import { SupervisedServer } from './supervised-server.ts';
import type { SupervisorPlaces } from './supervisor-places.ts';
import {
  onLines,
  protocolVersion,
  sendLine,
  type Answer,
  type EmbeddedAddresses,
  type Hello,
  type SupervisorStatus,
} from './supervisor-protocol.ts';

interface Lease {
  readonly pid: number;
  readonly socket: Socket;
}

export class Supervisor {
  readonly #places: SupervisorPlaces;
  readonly #graceMs: number;
  readonly #log: (line: string) => void;
  readonly #leases = new Set<Lease>();
  readonly #namespaces = new Set<string>();
  readonly #temporal: SupervisedServer<TemporalLaunch>;
  readonly #postgres: SupervisedServer<PostgresLaunch>;
  #server: Server | undefined;
  #grace: NodeJS.Timeout | undefined;
  #stopped: Promise<void> | undefined;
  /** Connections whose end says that all is stopped. */
  readonly #stopAsked: Socket[] = [];
  /** Called once, when no server of ours runs any more. */
  onStopped: () => void = () => {};

  constructor(options: { places: SupervisorPlaces; graceMs: number; log: (line: string) => void }) {
    this.#places = options.places;
    this.#graceMs = options.graceMs;
    this.#log = options.log;
    const { dataFolder } = options.places;
    const tell = (line: string): void => this.#tellAll({ progress: line });
    this.#temporal = new SupervisedServer({
      ...this.#hooks('temporal'),
      prepare: (former, portsAreOurs) =>
        prepareTemporal({
          dataFolder,
          settingsFile: devServerFile(dataFolder),
          extraNamespaces: () => [...this.#namespaces],
          portsAreOurs,
          log: tell,
          ...keptPorts(former),
        }),
    });
    this.#postgres = new SupervisedServer({
      ...this.#hooks('postgres'),
      prepare: (former, portsAreOurs) =>
        preparePostgres({ dataFolder, portsAreOurs, log: tell, ...keptPorts(former) }),
    });
  }

  /** Called by the holder of the lock only: a socket file that is there belongs to a dead process. */
  async listen(): Promise<void> {
    rmSync(this.#places.socket, { force: true });
    const own = identityOf(process.pid);
    invariant(own !== undefined, 'a supervisor that listens is alive');
    writeRecord(this.#places.record, { ...readRecord(this.#places.record), supervisor: own });
    const server = createServer((socket) => this.#onConnection(socket));
    this.#server = server;
    await new Promise<void>((resolve, reject) => {
      server.once('error', reject);
      server.listen(this.#places.socket, resolve);
    });
    // The answer to a lease holds the database's password.
    chmodSync(this.#places.socket, 0o600);
    this.#log(`Listening on ${this.#places.socket} (pid ${process.pid}).`);
    this.#startGrace();
  }

  /** Stops everything; resolves when no server of ours runs. */
  stop(reason: string): Promise<void> {
    this.#stopped ??= this.#stop(reason).finally(() => this.onStopped());
    return this.#stopped;
  }

  status(): SupervisorStatus {
    return {
      pid: process.pid,
      leases: [...this.#leases].map(({ pid }) => ({ pid })),
      servers: [this.#temporal.status(), this.#postgres.status()],
    };
  }

  async #stop(reason: string): Promise<void> {
    this.#log(`Stopping: ${reason}.`);
    clearTimeout(this.#grace);
    this.#server?.close();
    rmSync(this.#places.socket, { force: true });
    this.#tellAll({ stopping: reason });
    await Promise.all([this.#temporal.stop(), this.#postgres.stop()]);
    for (const { socket } of this.#leases) socket.end();
    const { supervisor: _self, ...rest } = readRecord(this.#places.record);
    writeRecord(this.#places.record, rest);
    this.#log('Stopped.');
    for (const socket of this.#stopAsked) socket.end();
  }

  #hooks(name: ServerName) {
    return {
      name,
      readRecord: () => readRecord(this.#places.record).servers[name],
      writeRecord: (server: RecordedServer) => {
        const record = readRecord(this.#places.record);
        writeRecord(this.#places.record, {
          ...record,
          servers: { ...record.servers, [name]: server },
        });
      },
      log: this.#log,
      onGivenUp: (error: Error) => void this.stop(error.message),
    };
  }

  #onConnection(socket: Socket): void {
    socket.on('error', () => {});
    onLines(socket, (message) => {
      const hello = message as Partial<Hello>;
      if (hello.hello !== protocolVersion) {
        const error = `The servers of ${this.#places.dataFolder} are held by another version of Belayer (it speaks protocol ${protocolVersion}, this program ${String(hello.hello)}). Run \`belayer servers stop\`, then try again.`;
        sendLine(socket, { error: { type: failureType.serverMissing, message: error } });
        socket.end();
      } else if (hello.ask === 'status') {
        sendLine(socket, { status: this.status() });
      } else if (hello.ask === 'stop') {
        // The connection is closed when all is stopped: that is the answer.
        this.#stopAsked.push(socket);
        this.#sayAlive(socket);
        void this.stop('somebody asked for it');
      } else if (hello.ask === 'lease') {
        void this.#lease(socket, hello as Hello & { ask: 'lease' });
      }
    });
  }

  async #lease(socket: Socket, hello: Hello & { ask: 'lease' }): Promise<void> {
    if (this.#stopped !== undefined) return void socket.destroy();
    const lease: Lease = { pid: hello.pid, socket };
    this.#leases.add(lease);
    clearTimeout(this.#grace);
    socket.once('close', () => {
      this.#leases.delete(lease);
      this.#log(`Lease of pid ${lease.pid} ended; ${this.#leases.size} left.`);
      this.#startGrace();
    });
    this.#log(`Lease of pid ${lease.pid} for ${hello.want.join(' and ')}.`);
    const endSayingAlive = this.#sayAlive(socket);
    try {
      sendLine(socket, { ready: await this.#addresses(hello) });
    } catch (error) {
      this.#log(`It failed: ${String(error)}`);
      const type = error instanceof BelayerError ? error.type : failureType.serverMissing;
      sendLine(socket, { error: { type, message: String((error as Error).message) } });
      socket.end();
    } finally {
      endSayingAlive();
    }
  }

  /** At once and then every `aliveMs`, until the connection ends or the returned function is called. */
  #sayAlive(socket: Socket): () => void {
    const say = (): void => sendLine(socket, { alive: true });
    say();
    const timer = setInterval(say, serverLimits.aliveMs);
    const end = (): void => clearInterval(timer);
    socket.once('close', end);
    return end;
  }

  async #addresses({ want, namespace }: Hello & { ask: 'lease' }): Promise<EmbeddedAddresses> {
    if (namespace !== undefined) this.#namespaces.add(namespace);
    // Both are started before either is waited for; both are settled before an error is told.
    const [temporal, postgres] = await Promise.allSettled([
      want.includes('temporal') ? this.#temporal.ensure() : undefined,
      want.includes('postgres') ? this.#postgres.ensure() : undefined,
    ]);
    if (temporal.status === 'rejected') throw temporal.reason;
    if (postgres.status === 'rejected') throw postgres.reason;
    if (
      temporal.value !== undefined &&
      namespace !== undefined &&
      namespace !== temporal.value.namespace
    ) {
      await temporal.value.waitUntilServing(AbortSignal.timeout(30_000));
    }
    return {
      ...(temporal.value === undefined
        ? {}
        : { temporal: temporalAddress(temporal.value, namespace) }),
      ...(postgres.value === undefined ? {} : { databaseUrl: postgres.value.databaseUrl }),
    };
  }

  #startGrace(): void {
    clearTimeout(this.#grace);
    if (this.#leases.size > 0 || this.#stopped !== undefined) return;
    this.#grace = setTimeout(
      () => void this.stop(`no lease for ${this.#graceMs} ms`),
      this.#graceMs,
    );
  }

  #tellAll(answer: Answer): void {
    if ('progress' in answer) this.#log(answer.progress);
    for (const { socket } of this.#leases) sendLine(socket, answer);
  }
}

function keptPorts(former: RecordedServer | undefined): {
  keepPorts?: Readonly<Record<string, number>>;
} {
  return former === undefined ? {} : { keepPorts: former.ports };
}

function temporalAddress(
  launch: TemporalLaunch,
  namespace: string | undefined,
): NonNullable<EmbeddedAddresses['temporal']> {
  return {
    address: `127.0.0.1:${launch.ports.frontend}`,
    namespace: namespace ?? launch.namespace,
    ...(launch.ports.ui === undefined ? {} : { uiUrl: `http://127.0.0.1:${launch.ports.ui}` }),
  };
}
