/** The workers of the chaos runs: processes that are killed, frozen, woken and replaced, always by the id of a child. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, openSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { findOnPath } from '../../servers/find-executable.ts';
import { testPrices, type World } from '../support/world.ts';

export interface Freeze {
  readonly pid: number;
  readonly fromMs: number;
  untilMs: number;
}

export interface WorkerPool {
  /** Ids of all workers that ever ran. */
  readonly pids: readonly number[];
  readonly freezes: readonly Freeze[];
  /** Workers that ended though nobody killed them, with how. */
  readonly endedThemselves: readonly string[];
  /** Undefined for a worker that is gone. */
  slotOf(pid: number): number | undefined;
  /** SIGKILL, whether frozen or not, and a new one in its place. */
  replace(slot: number): Promise<void>;
  /** SIGSTOP for a while, then SIGCONT. A worker that is killed meanwhile stays dead. */
  freeze(slot: number, ms: number): Promise<void>;
  stop(): Promise<void>;
}

const main = fileURLToPath(new URL('./worker-main.ts', import.meta.url));

export async function startWorkerPool(
  world: World,
  options: {
    readonly workers: number;
    readonly environment: Readonly<Record<string, string>>;
    /** Takes what they write to standard error. Absent: it is dropped. */
    readonly logFile?: string;
  },
): Promise<WorkerPool> {
  const folder = join(world.servers.folder, 'workers');
  mkdirSync(folder, { recursive: true });
  const prices = join(folder, 'prices.json');
  writeFileSync(prices, JSON.stringify(testPrices));
  const { temporal, databaseUrl } = world.servers.addresses;
  const environment = {
    PATH: process.env['PATH'],
    HOME: process.env['HOME'],
    TEMPORAL_ADDRESS: temporal.address,
    TEMPORAL_NAMESPACE: temporal.namespace,
    DATABASE_URL: databaseUrl,
    OPENAI_BASE_URL: world.provider.baseURL,
    OPENAI_API_KEY: 'test',
    BELAYER_MODEL: 'test-model',
    BELAYER_PRICES: prices,
    BELAYER_DATA: folder,
    BELAYER_LOG: 'error',
    ...options.environment,
  };
  const log = options.logFile === undefined ? 'ignore' : openSync(options.logFile, 'a');
  const pids: number[] = [];
  const freezes: Freeze[] = [];
  const endedThemselves: string[] = [];
  const slots: ChildProcess[] = [];
  const killed = new Set<ChildProcess>();
  let stopping = false;

  async function start(slot: number): Promise<void> {
    // A conductor that is killed takes its workers with it, frozen ones too.
    const tie = process.platform === 'linux' ? findOnPath('setpriv') : undefined;
    const node = [process.execPath, '--import', 'tsx', main];
    const [command = '', ...args]: readonly string[] =
      tie === undefined ? node : [tie, '--pdeathsig', 'KILL', ...node];
    const child = spawn(command, args, { stdio: ['ignore', 'pipe', log], env: environment });
    slots[slot] = child;
    pids.push(child.pid ?? 0);
    let isReady = false;
    const ended = once(child, 'exit').then(async () => {
      if (killed.has(child)) return;
      // One that meets a dead server at its start ends, and is started again as in production.
      if (isReady)
        endedThemselves.push(
          `worker ${child.pid} ended with ${child.exitCode ?? child.signalCode}`,
        );
      await new Promise((resolve) => setTimeout(resolve, 500));
      if (!stopping && slots[slot] === child) await start(slot);
    });
    await Promise.race([once(child.stdout ?? child, 'data'), ended]);
    isReady = true;
  }

  async function kill(child: ChildProcess): Promise<void> {
    killed.add(child);
    if (isGone(child)) return;
    const gone = once(child, 'exit');
    child.kill('SIGKILL');
    await gone;
  }

  await Promise.all(Array.from({ length: options.workers }, (_, slot) => start(slot)));
  return {
    pids,
    freezes,
    endedThemselves,
    slotOf(pid) {
      const slot = slots.findIndex((child) => child.pid === pid && !isGone(child));
      return slot === -1 ? undefined : slot;
    },
    async replace(slot) {
      const child = slots[slot];
      if (child !== undefined) await kill(child);
      if (!stopping) await start(slot);
    },
    async freeze(slot, ms) {
      const child = slots[slot];
      if (child === undefined || isGone(child)) return;
      child.kill('SIGSTOP');
      const freeze: Freeze = { pid: child.pid ?? 0, fromMs: Date.now(), untilMs: Infinity };
      freezes.push(freeze);
      await new Promise((resolve) => setTimeout(resolve, ms));
      freeze.untilMs = Date.now();
      child.kill('SIGCONT');
    },
    async stop() {
      stopping = true;
      await Promise.all(slots.map((child) => kill(child)));
    },
  };
}

const isGone = (child: ChildProcess): boolean =>
  child.exitCode !== null || child.signalCode !== null;
