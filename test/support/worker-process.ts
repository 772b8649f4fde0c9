/** Workers as child processes, so that tests can kill, freeze and drain them. Ended by pid. */
import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { testPrices, type World } from './world.ts';

export interface WorkerProcess {
  readonly pid: number;
  /** What it wrote to standard error so far. */
  readonly errors: string;
  /** SIGKILL, and waits until it is gone. */
  kill(): Promise<void>;
  /** SIGTERM, and waits until it is gone: its exit code. */
  drain(): Promise<number | null>;
  freeze(): void;
  thaw(): void;
}

const mains = {
  payments: fileURLToPath(new URL('./worker-main.ts', import.meta.url)),
  cache: fileURLToPath(new URL('./cache-worker-main.ts', import.meta.url)),
  budgets: fileURLToPath(new URL('./budget-worker-main.ts', import.meta.url)),
  overload: fileURLToPath(new URL('./overload-worker-main.ts', import.meta.url)),
};

/** Starts a worker of `payment-app.ts`, or of another, on the world's servers; resolves when it takes calls. */
export async function startWorkerProcess(
  world: World,
  surroundings: {
    readonly paymentsUrl?: string;
    readonly taskQueue?: string;
    readonly app?: keyof typeof mains;
    readonly runsInFlight?: number;
  },
): Promise<WorkerProcess> {
  const { temporal, databaseUrl } = world.servers.addresses;
  const folder = join(world.servers.folder, 'worker');
  mkdirSync(folder, { recursive: true });
  const prices = join(folder, 'prices.json');
  writeFileSync(prices, JSON.stringify(testPrices));
  const child = spawn(
    process.execPath,
    ['--import', 'tsx', mains[surroundings.app ?? 'payments']],
    {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: {
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
        BELAYER_LOG: 'warn',
        PAYMENTS_URL: surroundings.paymentsUrl ?? '',
        ...(surroundings.runsInFlight === undefined
          ? {}
          : { BELAYER_RUNS_IN_FLIGHT: String(surroundings.runsInFlight) }),
        ...(surroundings.taskQueue === undefined
          ? {}
          : { BELAYER_TASK_QUEUE: surroundings.taskQueue }),
      },
    },
  );
  let errors = '';
  child.stderr.on('data', (part: Buffer) => (errors += String(part)));
  const ended = once(child, 'exit');
  living.add(child);
  void ended.then(() => living.delete(child));
  await new Promise<void>((resolve, reject) => {
    child.stdout.on('data', (part: Buffer) => {
      if (String(part).includes('ready')) resolve();
    });
    void ended.then(() => reject(new Error(`The worker ended before it was ready:\n${errors}`)));
  });
  return {
    pid: child.pid ?? 0,
    get errors() {
      return errors;
    },
    async kill() {
      child.kill('SIGKILL');
      await ended;
    },
    async drain() {
      child.kill('SIGTERM');
      const [code] = (await ended) as [number | null];
      return code;
    },
    freeze: () => void child.kill('SIGSTOP'),
    thaw: () => void child.kill('SIGCONT'),
  };
}

const living = new Set<ChildProcess>();

/** For `afterAll`: ends what a failed test left. */
export async function killWorkerProcesses(): Promise<void> {
  await Promise.all(
    [...living].map(async (child) => {
      const gone = once(child, 'exit');
      child.kill('SIGKILL');
      await gone;
    }),
  );
}
