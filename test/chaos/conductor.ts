/** What happens to the processes, by seed: workers are killed and frozen, servers are killed and started again. */
import type { World } from '../support/world.ts';
import { between, seededBy } from './seeded-by.ts';
import type { WorkerPool } from './worker-pool.ts';

export interface Calamity {
  readonly kind:
    | 'kill worker'
    | 'kill all workers'
    | 'freeze worker'
    | 'kill Temporal'
    | 'kill PostgreSQL';
  /** Since the calamity before. */
  readonly afterMs: number;
  readonly slot: number;
  /** How long a worker is frozen or a server is away. */
  readonly lastsMs: number;
}

/** The `index`-th calamity of a seed. */
export function calamityAt(seed: number, index: number, workers: number): Calamity {
  const random = seededBy(seed, 'calamity', index);
  const kind = random.pick([
    'kill worker',
    'kill worker',
    'kill worker',
    'freeze worker',
    'freeze worker',
    'freeze worker',
    'kill PostgreSQL',
    'kill Temporal',
    'kill all workers',
  ] as const);
  return {
    kind,
    afterMs: between(random, 2_500, 7_000),
    slot: between(random, 0, workers - 1),
    // A heartbeat is missed after 8 s: only then is a frozen worker's work given to another.
    lastsMs:
      kind === 'freeze worker' ? between(random, 9_000, 16_000) : between(random, 200, 4_000),
  };
}

export interface Conductor {
  readonly struck: readonly (Calamity & { readonly atMs: number })[];
  /** Ids of all servers that ever ran. */
  readonly serverPids: readonly number[];
  /** No further calamity; resolves when everything is back. */
  stop(): Promise<void>;
}

export function startConductor(
  world: World,
  pool: WorkerPool,
  options: { readonly calamity: (index: number) => Calamity | undefined; readonly workers: number },
): Conductor {
  const struck: (Calamity & { readonly atMs: number })[] = [];
  const serverPids: number[] = [];
  const underWay = new Set<Promise<void>>();
  let stopped = false;
  let wake: () => void = () => undefined;

  const notePids = (): void => {
    for (const pid of [world.servers.temporalPid, world.servers.postgresPid])
      if (pid !== undefined && !serverPids.includes(pid)) serverPids.push(pid);
  };
  notePids();

  async function strike({ kind, slot, lastsMs }: Calamity): Promise<void> {
    switch (kind) {
      case 'kill worker':
        return pool.replace(slot);
      case 'kill all workers':
        await Promise.all(Array.from({ length: options.workers }, (_, each) => pool.replace(each)));
        return;
      case 'freeze worker':
        return pool.freeze(slot, lastsMs);
      case 'kill Temporal':
        await world.servers.killTemporal();
        await pause(lastsMs);
        await world.servers.restartTemporal();
        return notePids();
      case 'kill PostgreSQL':
        await world.servers.killPostgres();
        await pause(lastsMs);
        await world.servers.restartPostgres();
        return notePids();
    }
  }

  async function conduct(): Promise<void> {
    let serverAway: Promise<void> = Promise.resolve();
    for (let index = 0; !stopped; index += 1) {
      const next = options.calamity(index);
      if (next === undefined) return;
      await Promise.race([pause(next.afterMs), new Promise<void>((resolve) => (wake = resolve))]);
      if (stopped) return;
      struck.push({ ...next, atMs: Date.now() });
      const isServer = next.kind === 'kill Temporal' || next.kind === 'kill PostgreSQL';
      // Servers come back before another goes; workers are struck meanwhile all the same.
      if (isServer) await serverAway;
      const done = strike(next);
      if (isServer) serverAway = done;
      underWay.add(done);
      void done.finally(() => underWay.delete(done));
    }
  }
  const conducting = conduct();
  return {
    struck,
    serverPids,
    async stop() {
      stopped = true;
      wake();
      await conducting;
      await Promise.all(underWay);
    },
  };
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
