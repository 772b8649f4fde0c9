/** What happens to the processes, by seed: workers are killed and frozen, servers are killed and started again. */
import { readFileSync } from 'node:fs';
import type { World } from '../support/world.ts';
import { between, seededBy } from './seeded-by.ts';
import type { WorkerPool } from './worker-pool.ts';

const kinds = [
  'kill worker',
  'kill all workers',
  'freeze worker',
  /** The worker whose effect has just arrived at the service. */
  'kill sender',
  'freeze sender',
  'kill PostgreSQL',
  'freeze PostgreSQL',
  'kill Temporal',
  'freeze Temporal',
] as const;

export interface Calamity {
  readonly kind: (typeof kinds)[number];
  /** Since the calamity before. */
  readonly afterMs: number;
  readonly slot: number;
  /** How long a process is frozen or a server is away. */
  readonly lastsMs: number;
}

/** The `index`-th calamity of a seed. */
export function calamityAt(seed: number, index: number, workers: number): Calamity {
  const random = seededBy(seed, 'calamity', index);
  const aWorker = random.chance(0.65);
  const kind = random.pick(kinds.filter((name) => /worker|sender/.test(name) === aWorker));
  return {
    kind,
    afterMs: between(random, 2_500, 7_000),
    slot: between(random, 0, workers - 1),
    // A heartbeat is missed after 8 s: only then is a frozen worker's work given to another.
    lastsMs:
      kind === 'freeze worker' || kind === 'freeze sender'
        ? between(random, 9_000, 16_000)
        : kind.startsWith('freeze')
          ? between(random, 1_000, 8_000)
          : between(random, 200, 4_000),
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
  options: {
    readonly calamity: (index: number) => Calamity | undefined;
    readonly workers: number;
    /** Process id of the worker whose effect arrives next at the service. */
    readonly nextSender: () => Promise<number>;
  },
): Conductor {
  const struck: (Calamity & { readonly atMs: number })[] = [];
  const serverPids: number[] = [];
  const underWay = new Set<Promise<void>>();
  let stopped = false;
  let wake: () => void = () => undefined;
  const stopping = new Promise<void>((resolve) => (wake = resolve));

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
      case 'kill sender':
      case 'freeze sender': {
        const sender = await Promise.race([options.nextSender(), stopping]);
        const own = sender === undefined ? undefined : pool.slotOf(sender);
        if (own === undefined) return;
        return kind === 'kill sender' ? pool.replace(own) : pool.freeze(own, lastsMs);
      }
      case 'freeze Temporal':
        return freezeServer(world.servers.temporalPid, lastsMs);
      case 'freeze PostgreSQL':
        return freezeServer(world.servers.postgresPid, lastsMs);
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
      await Promise.race([pause(next.afterMs), stopping]);
      if (stopped) return;
      struck.push({ ...next, atMs: Date.now() });
      const isServer = /Temporal|PostgreSQL/.test(next.kind);
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

/** A server that hangs: it takes connections and answers nothing. */
async function freezeServer(pid: number | undefined, ms: number): Promise<void> {
  if (pid === undefined) return;
  // PostgreSQL serves each connection by a child; frozen itself, it makes no new ones.
  process.kill(pid, 'SIGSTOP');
  const children = childrenOf(pid);
  const each = (signal: NodeJS.Signals): void => {
    for (const one of [...children, pid])
      try {
        process.kill(one, signal);
      } catch {
        // A connection that was just closed took its process with it.
      }
  };
  each('SIGSTOP');
  await pause(ms);
  each('SIGCONT');
}

/** As Linux tells them; elsewhere a frozen PostgreSQL only refuses new connections. */
function childrenOf(pid: number): readonly number[] {
  try {
    const text = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
    return text === '' ? [] : text.split(' ').map(Number);
  } catch {
    return [];
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
