/**
 * Keeps one server running: starts it when it is first wanted, starts it again when it dies, and
 * takes over the one that a killed supervisor left.
 */
import type { RecordedServer } from './servers-record.ts';
import { findLeftover, startServer, untilServing, type RunningServer } from './running-server.ts';
import type { ServerName } from './server-addresses.ts';
import type { ServerLaunch } from './server-launch.ts';
import { serverLimits } from './server-limits.ts';
import { sleep } from './stop-process.ts';
import type { ServerStatus } from './supervisor-protocol.ts';

export interface SupervisedServerOptions<Launch extends ServerLaunch> {
  readonly name: ServerName;
  prepare(former: RecordedServer | undefined, formerIsAlive: boolean): Promise<Launch>;
  readRecord(): RecordedServer | undefined;
  writeRecord(record: RecordedServer): void;
  log(line: string): void;
  /** It died too often in a row; nothing more is tried. */
  onGivenUp(reason: Error): void;
}

export class SupervisedServer<Launch extends ServerLaunch> {
  readonly #options: SupervisedServerOptions<Launch>;
  #starting: Promise<Launch> | undefined;
  #running: RunningServer | undefined;
  #state: ServerStatus['state'] = 'stopped';
  #restarts = 0;
  #failuresInARow = 0;
  readonly #stopRequest = new AbortController();
  readonly #stopRequested = new Promise<void>((resolve) =>
    this.#stopRequest.signal.addEventListener('abort', () => resolve(), { once: true }),
  );

  constructor(options: SupervisedServerOptions<Launch>) {
    this.#options = options;
  }

  /** Resolves when it serves. Callers at the same time share one start; after a failed start the next caller tries anew. */
  ensure(): Promise<Launch> {
    this.#starting ??= this.#start().catch((error: unknown) => {
      this.#starting = undefined;
      this.#state = 'failed';
      throw error;
    });
    return this.#starting;
  }

  status(): ServerStatus {
    const launch = this.#running?.launch;
    return {
      name: this.#options.name,
      state: this.#state,
      restarts: this.#restarts,
      ...(this.#running === undefined ? {} : { pid: this.#running.identity.pid }),
      ...(launch === undefined ? {} : { version: launch.version, ports: launch.ports }),
    };
  }

  /** Waits for a start that is under way, then stops it for good. */
  async stop(): Promise<void> {
    this.#stopRequest.abort();
    await this.#starting?.catch(() => {});
    await this.#running?.stop();
    this.#state = 'stopped';
    const record = this.#options.readRecord();
    if (record !== undefined) {
      const { process: _gone, ...rest } = record;
      this.#options.writeRecord(rest);
    }
  }

  async #start(): Promise<Launch> {
    const { name } = this.#options;
    this.#state = 'starting';
    const former = this.#options.readRecord();
    const leftover =
      former?.process === undefined
        ? undefined
        : findLeftover(
            {
              name,
              mark: former.mark,
              quitSignal: name === 'temporal' ? 'SIGTERM' : 'SIGINT',
            } as ServerLaunch,
            former.process,
          );
    const launch = await this.#options.prepare(former, leftover !== undefined);
    if (leftover !== undefined && former?.process !== undefined) {
      const adopted = findLeftover(launch, former.process);
      const same =
        former.command === launch.command &&
        JSON.stringify(former.args) === JSON.stringify(launch.args);
      if (adopted !== undefined && same && (await serves(adopted))) {
        this.#options.log(
          `Took over ${name} (pid ${adopted.identity.pid}), which a supervisor that was killed had started.`,
        );
        this.#watch(adopted, launch);
        return launch;
      }
      this.#options.log(
        `Stopping ${name} (pid ${leftover.identity.pid}), which a supervisor that was killed had started.`,
      );
      await leftover.stop();
    }
    await this.#spawn(launch);
    return launch;
  }

  async #spawn(launch: Launch): Promise<void> {
    const began = Date.now();
    const record = {
      command: launch.command,
      args: launch.args,
      ports: launch.ports,
      version: launch.version,
      mark: launch.mark,
    };
    const running = await startServer(launch, (identity) =>
      this.#options.writeRecord({ ...record, process: identity }),
    );
    this.#options.log(
      `${launch.name} ${launch.version} serves on port ${Object.values(launch.ports).join(', ')} (pid ${running.identity.pid}, ${Date.now() - began} ms).`,
    );
    this.#watch(running, launch);
  }

  #watch(running: RunningServer, launch: Launch): void {
    this.#running = running;
    this.#state = 'serving';
    const servedFrom = Date.now();
    void running.ended.then((how) => {
      if (this.#stopRequest.signal.aborted) return;
      if (Date.now() - servedFrom > serverLimits.healthyAfterMs) this.#failuresInARow = 0;
      // A lease that comes now waits for the restart, as one at the first start does.
      this.#starting = this.#restart(launch, how);
      this.#starting.catch(() => {});
    });
  }

  async #restart(launch: Launch, how: string): Promise<Launch> {
    this.#state = 'restarting';
    this.#running = undefined;
    const { restartDelaysMs: delays, restartsMax } = serverLimits;
    let reason = how;
    for (; this.#failuresInARow < restartsMax; this.#failuresInARow++) {
      const delay = delays[Math.min(this.#failuresInARow, delays.length - 1)] ?? 0;
      this.#options.log(`${launch.name} died: ${reason}. Starting it again in ${delay} ms.`);
      await Promise.race([sleep(delay), this.#stopRequested]);
      if (this.#stopRequest.signal.aborted) throw new Error(`${launch.name} was stopped`);
      try {
        await this.#spawn(launch);
        this.#restarts++;
        this.#failuresInARow++;
        return launch;
      } catch (error) {
        reason = String((error as Error).message);
      }
    }
    this.#state = 'failed';
    const givenUp = new Error(`${launch.name} died ${restartsMax} times in a row: ${reason}`);
    this.#options.onGivenUp(givenUp);
    throw givenUp;
  }
}

async function serves(running: RunningServer): Promise<boolean> {
  try {
    await untilServing(running);
    return true;
  } catch {
    return false;
  }
}
