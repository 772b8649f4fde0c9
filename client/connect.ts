/**
 * The way in for applications: start runs, watch them, stop them, answer what they ask.
 *
 * Loads neither the engine nor the application; `import type app from './app.ts'` gives the types.
 */
import { Client, Connection } from '@temporalio/client';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import type { App, AgentName, InputOf, OutputOf } from '../definitions/index.ts';
import { type Lease, leaseServers } from '../servers/index.ts';
import { type AnnouncementRow, listAnnouncements } from '../storage/announcements.ts';
import { openDatabase } from '../storage/database.ts';
import { newRunId } from '../storage/hash.ts';
import { migrate } from '../storage/migrate.ts';
import type { DefinitionCache } from '../storage/new-run.ts';
import { insertNewRun } from '../storage/new-run.ts';
import {
  countOpenRequests,
  type ListRequests,
  openRequests,
  type RequestRow,
} from '../storage/requests.ts';
import { checkedLimit, listRuns, type ListRuns, type RunRow } from '../storage/reading-runs.ts';
import { readFlags, type StopFlagRow } from '../storage/stop-flags.ts';
import type { StuckRow } from '../storage/stuck.ts';
import { type Budgets, budgetsOn } from './budgets.ts';
import { type CostOptions, type Costs, costsOf } from './costs.ts';
import { cacheOn, type KeptCalls } from './cache.ts';
import { checkStart, type StartOptions } from './check-start.ts';
import { diffRuns, type DiffSide } from './diff/diff-runs.ts';
import type { RunDiff } from './diff/run-diff.ts';
import { buildsByRouting } from './deployments/routing.ts';
import type { Parts } from './parts.ts';
import { createRun, type Run, type Turn } from './run.ts';
import { send, type SendOptions } from './sessions.ts';
import { type Environment, readSettings, type Settings } from './settings.ts';
import { startWorkflow } from './start-workflow.ts';
import {
  lift,
  stop,
  type StopOptions,
  type StopProgress,
  type StopReport,
  type StopTarget,
} from './stop-flags.ts';
import { findStuck, type StuckOptions } from './stuck/find-stuck.ts';
import { type Throttles, throttlesOn } from './throttles.ts';
import { whoActs } from './who-acts.ts';

export interface ConnectOptions {
  /** Default: the process's environment. */
  readonly environment?: Environment;
  /** A line for a person when something takes long, such as fetching a server the first time. */
  readonly log?: (line: string) => void;
  /** Who acts, where a call does not say. Default: the operating system's user. */
  readonly by?: string;
  readonly signal?: AbortSignal;
}

/** A connection to Temporal and PostgreSQL. Dispose of it, or call `close`, to let the process end. */
export interface Belayer<A = App> extends AsyncDisposable {
  readonly settings: Settings;
  /**
   * Starts a run, or gives the run that was started with the same `key`, finished or not.
   *
   * Resolves when the run is on record and its workflow started, not when it ends: see `run.output()`. Where as many
   * runs are in flight as may be, it is on record as `queued`, and a worker starts it when its turn comes.
   * @throws InputRejected      The input or an option does not fit; every mistake is named.
   * @throws AgentUnknown       No worker has published the agent.
   * @throws KeyReused          The key belongs to a run with another input.
   * @throws StartStopped       A stop flag covers it. Nothing was started.
   * @throws AdmissionRefused   It would have to queue, and the queue is full. Nothing was started.
   * @throws StorageUnavailable Nothing was started.
   * @throws ServerUnreachable  Temporal does not answer. The run is on record, and a worker starts it
   *                            when Temporal is back.
   */
  start<Name extends AgentName<A>>(
    agent: Name,
    options: StartOptions<InputOf<A, Name>>,
  ): Promise<Run<OutputOf<A, Name>>>;
  /**
   * Sends a message to a session of an agent, and begins the session where there is none.
   *
   * @throws InputRejected  An option does not fit, or the agent has no session. Nothing was sent.
   * @throws SessionEnded   It was halted, stopped or failed, and `reopen` is not set.
   * @throws DecisionRejected  Too many messages wait already.
   */
  send<Name extends AgentName<A>>(
    agent: Name,
    options: SendOptions,
  ): Promise<Turn<OutputOf<A, Name>>>;
  /** A run that exists. @throws RunUnknown */
  run<Output = unknown>(id: string): Promise<Run<Output>>;
  /** Newest first. */
  runs(options?: ListRuns): Promise<readonly RunRow[]>;
  /** Open requests of all runs, oldest first. */
  inbox(options?: ListRequests): Promise<readonly RequestRow[]>;
  /** How many requests are open, of those that the filter lets through. */
  inboxCount(filter?: Omit<ListRequests, 'limit' | 'after'>): Promise<number>;
  /**
   * Stops everything of one customer, of one agent, or of the installation: sets the flag, then tells
   * the open runs. Until it is lifted, nothing that it covers starts, and no call of it is claimed.
   *
   * Accepted when `onProgress` is called the first time; resolves when the open runs are told.
   * @throws InputRejected, AgentUnknown, StorageUnavailable  No flag was set.
   */
  stop(
    target: StopTarget,
    options: StopOptions & { readonly onProgress?: (progress: StopProgress) => void },
  ): Promise<StopReport>;
  /** Ends such a flag. Runs that were halted stay halted. @throws InputRejected  No such flag stands. */
  lift(target: StopTarget, options: StopOptions): Promise<void>;
  /** Every flag that stands, the widest first; those of single runs too. */
  flags(): Promise<readonly StopFlagRow[]>;
  /** Ceilings that runs share: over agents, customers, the installation; per run, hour, day, month. */
  readonly budgets: Budgets;
  /** What runs have cost and saved, from the journal, in groups. @throws InputRejected  Names every option that does not fit. */
  costs(options?: CostOptions): Promise<Costs>;
  /** Replies and results that agents and tools with a `cache` keep for equal calls. */
  readonly cache: KeptCalls;
  /** How much at once, and how fast: runs and model calls in flight, requests and tokens a minute. */
  readonly throttles: Throttles;
  /** Runs that make no progress and wait for nothing declared, longest silence first. */
  stuck(options?: StuckOptions): Promise<readonly StuckRow[]>;
  /** What was to be told by webhook and mail, newest first. `failed`: only what was given up. */
  announcements(options?: {
    readonly failed?: boolean;
    readonly limit?: number;
  }): Promise<readonly AnnouncementRow[]>;
  /**
   * Compares two runs call by call: prompts, replies, calls, results, what people decided and said, outcome
   * and output. Tries, cost and tokens are told beside it and make no difference.
   *
   * A run is named by its id, of any agent, finished or not, imported or a sub-agent's; or it is in a
   * recording: `{ recording: readFileSync('run.json') }`.
   * @throws RunUnknown, StorageUnavailable
   * @throws RecordingDamaged  A recording was changed, or is none.
   * @throws InputRejected     A side is none of these.
   */
  diff(a: DiffSide, b: DiffSide): Promise<RunDiff>;
  close(): Promise<void>;
}

/**
 * Connects with the settings of the environment (`TEMPORAL_ADDRESS`, `DATABASE_URL` ...). What is not
 * set is embedded: the servers of this folder's `.belayer` are started, or joined where they run.
 *
 * @throws SettingsRejected, ServerUnreachable, ServerMissing
 */
export async function connect<A = App>(options: ConnectOptions = {}): Promise<Belayer<A>> {
  return belayerOn<A>(await connectParts(options));
}

/**
 * `needs`: with 'postgres' alone, Temporal is not asked whether it is there. A flag is set, lifted and
 * read while it is away; a call that does go to it then needs a deadline of its own.
 */
export async function connectParts(
  options: ConnectOptions = {},
  needs: 'both' | 'postgres' = 'both',
): Promise<Parts> {
  const environment = options.environment ?? process.env;
  const settings = readSettings(environment);
  const lease = await leaseFor(settings, options, needs);
  const { temporal, databaseUrl } = lease.addresses;
  const database = openDatabase({ url: databaseUrl, applicationName: 'belayer client' });
  try {
    await migrate(database);
    const connection =
      needs === 'both'
        ? await reachTemporal(temporal.address, settings)
        : Connection.lazy({ ...settings.temporal, address: temporal.address });
    return {
      settings,
      database,
      temporal: new Client({ connection, namespace: temporal.namespace }),
      by: options.by ?? whoActs(environment),
      eagerStart: false,
      async close() {
        await connection.close().catch(() => undefined);
        await database.close();
        await lease.release();
      },
    };
  } catch (error) {
    await database.close();
    await lease.release();
    throw error;
  }
}

export function leaseFor(
  settings: Settings,
  options: Pick<ConnectOptions, 'log' | 'signal'>,
  needs: 'both' | 'postgres' = 'both',
): Promise<Lease> {
  const secured =
    settings.temporal['tls'] !== undefined || settings.temporal['apiKey'] !== undefined;
  return leaseServers({
    dataFolder: settings.dataFolder,
    temporalNamespace: settings.namespace,
    // An address with TLS or a key is checked by the connection itself.
    checkTemporal: needs === 'both' && !secured,
    ...(settings.temporalAddress === undefined
      ? {}
      : { temporalAddress: settings.temporalAddress }),
    ...(settings.databaseUrl === undefined ? {} : { databaseUrl: settings.databaseUrl }),
    ...(options.log === undefined ? {} : { log: options.log }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
}

async function reachTemporal(address: string, settings: Settings): Promise<Connection> {
  try {
    return await Connection.connect({ ...settings.temporal, address });
  } catch (error) {
    throw new BelayerError(
      failureType.serverUnreachable,
      `Temporal at ${address} cannot be reached: ${(error as Error).message}. Check TEMPORAL_ADDRESS and the TEMPORAL_TLS and TEMPORAL_API_KEY settings.`,
      { cause: error },
    );
  }
}

export function belayerOn<A = App>(parts: Parts): Belayer<A> {
  const { database } = parts;
  const definitions: DefinitionCache = new Map();
  const chooseBuilds = buildsByRouting(parts.temporal);
  const close = (): Promise<void> => parts.close();
  return {
    settings: parts.settings,
    async start(agent, options) {
      const row = checkStart(agent, options);
      const wanted = { ...row, run: newRunId(agent), agent, mayQueue: true as const };
      const inserted = await insertNewRun(database, definitions, wanted, chooseBuilds);
      if (!inserted.isQueued)
        await startWorkflow(parts, inserted.run, inserted.start, inserted.build);
      return createRun(parts, inserted.run);
    },
    send: (agent, options) => send(parts, { definitions, chooseBuilds }, agent, options),
    async run(id) {
      const run = createRun<never>(parts, id);
      await run.status();
      return run;
    },
    runs: (options) => listRuns(database, options),
    inbox: async ({ limit = 500, ...filter } = {}) =>
      openRequests(database, checkedLimit(limit, limits.inboxRowsMax), filter),
    inboxCount: (filter) => countOpenRequests(database, filter),
    stop: (target, options) => stop(parts, target, options),
    lift: (target, options) => lift(parts, target, options),
    flags: () => readFlags(database),
    budgets: budgetsOn(parts),
    costs: (options) => costsOf(parts, options),
    cache: cacheOn(parts),
    throttles: throttlesOn(parts),
    stuck: async ({ now = false, limit = 500 } = {}) =>
      findStuck(parts, { now, limit: checkedLimit(limit, limits.stuckShownMax) }),
    announcements: async ({ failed = false, limit = 500 } = {}) =>
      listAnnouncements(database, {
        failed,
        limit: checkedLimit(limit, limits.announcementsShownMax),
      }),
    diff: (a, b) => diffRuns(database, a, b),
    close,
    [Symbol.asyncDispose]: close,
  };
}
