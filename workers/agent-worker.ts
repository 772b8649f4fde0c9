/**
 * One worker: carries out runs and their calls for one application.
 *
 * Nothing of a run lives in it. Killed, it loses only what was in flight, and another goes on.
 */
import { Client } from '@temporalio/client';
import { makeTelemetryFilterString, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { randomBytes } from 'node:crypto';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { LRUCache } from 'lru-cache';
import type { ActivityDependencies, OwnBuild } from '../activities/dependencies.ts';
import { createCallCache } from '../activities/call-cache.ts';
import { createActivities } from '../activities/index.ts';
import { createInFlight } from '../activities/in-flight.ts';
import type { ModelClient } from '../activities/models/model-client.ts';
import { priceBook } from '../activities/models/price-book.ts';
import { createProviderRates } from '../activities/provider-rates.ts';
import { createToolBreakers } from '../activities/tool-breakers.ts';
import { createTranscriptCache } from '../activities/transcript-cache.ts';
import { belayerOn, type Belayer } from '../client/connect.ts';
import { readRouting } from '../client/deployments/routing.ts';
import type { Parts } from '../client/parts.ts';
import type { Settings } from '../client/settings.ts';
import { whoActs } from '../client/who-acts.ts';
import type { Build } from '../contracts/deployments.ts';
import { invariant } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import type { App } from '../definitions/internal.ts';
import type { ServerAddresses } from '../servers/index.ts';
import { setRunsInFlight } from '../storage/admission.ts';
import { type Database, openDatabase } from '../storage/database.ts';
import { storedDefinition, type StoredDefinition } from '../storage/definitions.ts';
import { openLedger } from '../storage/ledger.ts';
import { migrate } from '../storage/migrate.ts';
import { startAdmission } from './admission.ts';
import { startArchiver } from './archiver.ts';
import { startCacheSweep } from './cache-sweep.ts';
import { startBudgetSweep } from './budget-sweep.ts';
import { startHaltSweep } from './halt-sweep.ts';
import { startAnnouncer } from './announcer.ts';
import { joinDeployment } from './join-deployment.ts';
import { createLog } from './log.ts';
import { publishApplication } from './publish.ts';
import type { WorkerSettings } from './settings.ts';
import { watchProviderRates } from './provider-rates.ts';
import { registerSearchAttributes } from './search-attributes.ts';
import { watchStopFlags } from './stop-flags.ts';
import { startStuckSweep } from './stuck-sweep.ts';
import { startSweep } from './sweep.ts';
import { bundleName, workflowBundle } from './workflow-bundle.ts';

export interface AgentWorkerOptions {
  readonly app: App;
  readonly buildId: string;
  readonly addresses: ServerAddresses;
  readonly settings: Settings;
  readonly workerSettings: WorkerSettings;
  readonly models: ModelClient;
  /** A built bundle; default: the package's own, or one cached in the data folder. */
  readonly bundle?: string;
}

export interface AgentWorker {
  /** A client on the worker's own connections: its starts are eager. */
  readonly client: Belayer;
  readonly agents: readonly string[];
  /** With `BELAYER_DEPLOYMENT`. */
  readonly build?: Build & { readonly takesStarts: boolean };
  /** Rejects when the worker ends by itself. */
  readonly running: Promise<void>;
  /** Takes no new calls, lets those in flight end, and closes. */
  stop(): Promise<void>;
}

/** @throws ServerUnreachable, SettingsRejected, DefinitionRejected  Nothing runs then. */
export async function startAgentWorker(options: AgentWorkerOptions): Promise<AgentWorker> {
  const { settings, workerSettings, addresses, app } = options;
  const log = createLog(workerSettings.logLevel);
  installRuntime(log);
  const database = openDatabase({ url: addresses.databaseUrl, applicationName: 'belayer worker' });
  const closing: (() => Promise<unknown>)[] = [() => database.close()];
  const closeAll = async (): Promise<void> => {
    for (const close of closing.toReversed()) await close().catch(() => undefined);
  };
  try {
    await migrate(database);
    const buildId = workerSettings.buildId ?? options.buildId;
    const { deployment } = workerSettings;
    const build: Build | undefined = deployment === undefined ? undefined : { deployment, buildId };
    const publish = (isWaiting: boolean) =>
      publishApplication(
        database,
        app,
        {
          buildId,
          ...(deployment === undefined ? {} : { deployment }),
          ...(workerSettings.modelDefault === undefined
            ? {}
            : { modelDefault: workerSettings.modelDefault }),
        },
        { isWaiting },
      );
    const published = await publish(build !== undefined);
    const connection = await NativeConnection.connect({
      ...settings.temporal,
      address: addresses.temporal.address,
    });
    closing.push(() => connection.close());
    const { namespace } = addresses.temporal;
    await registerSearchAttributes(connection, namespace, log);
    const temporal = new Client({ connection, namespace });
    const parts: Parts = {
      settings,
      database,
      temporal,
      by: whoActs(process.env),
      eagerStart: true,
      close: () => Promise.resolve(),
    };
    const deps = dependencies({
      options,
      database,
      buildId,
      log,
      ...(build && {
        build: { ...build, routing: () => readRouting(temporal, build.deployment) },
      }),
    });
    closing.push(await watchStopFlags(database, deps.inFlight, log));
    closing.push(await watchProviderRates(database, deps.providers, log));
    if (workerSettings.runsInFlight !== undefined)
      await setRunsInFlight(database, workerSettings.runsInFlight);
    const bundle = options.bundle ?? (await workflowBundle(join(settings.dataFolder, 'cache')));
    const worker = await Worker.create({
      connection,
      namespace,
      taskQueue: settings.taskQueue,
      identity: deps.worker,
      ...(build === undefined
        ? // In place of the SDK's own, which names the same code in 91 characters, in three events of each step.
          { buildId: bundleName(bundle) }
        : {
            workerDeploymentOptions: {
              useWorkerVersioning: true,
              version: { deploymentName: build.deployment, buildId: build.buildId },
              // What a run was started with decides on its calls: it stays until it says that it may move.
              defaultVersioningBehavior: 'PINNED' as const,
            },
          }),
      workflowBundle: { codePath: bundle },
      activities: createActivities(deps),
      maxConcurrentActivityTaskExecutions: workerSettings.callsAtOnce,
      maxConcurrentLocalActivityExecutions: workerSettings.callsAtOnce,
      // A near call holds its workflow task, so there are as many of these.
      maxConcurrentWorkflowTaskExecutions: workerSettings.callsAtOnce,
      stickyQueueScheduleToStartTimeout: limits.stickyTaskMsMax,
      shutdownGraceTime: limits.workerDrainMsMax,
      shutdownForceTime: limits.workerDrainMsMax + limits.settlingMs,
    });
    closing.push(startSweep(parts, log));
    closing.push(await startAdmission(parts, log));
    closing.push(startStuckSweep(parts, log));
    closing.push(startAnnouncer(database, workerSettings, log));
    closing.push(startHaltSweep(parts, log));
    closing.push(startBudgetSweep(parts, log));
    closing.push(startCacheSweep(deps.cache, log));
    closing.push(startArchiver(parts, workerSettings, log));
    let stopping = false;
    const carryOut = async (): Promise<void> => {
      try {
        await worker.run();
      } finally {
        stopping = true;
        await closeAll();
      }
    };
    const running = carryOut();
    running.catch(() => undefined);
    const { taskQueue } = settings;
    const republish = async (): Promise<void> => void (await publish(false));
    const joined =
      build && (await joinDeployment({ temporal, taskQueue, build, publish: republish, log }));
    if (joined !== undefined) closing.push(joined.end);
    return {
      client: belayerOn(parts),
      agents: published.map(({ frozen }) => frozen.name),
      ...(build && joined ? { build: { ...build, takesStarts: joined.takesStarts } } : {}),
      running,
      async stop() {
        if (!stopping) worker.shutdown();
        stopping = true;
        await running;
      },
    };
  } catch (error) {
    await closeAll();
    throw error;
  }
}

function dependencies(parts: {
  readonly options: AgentWorkerOptions;
  readonly database: Database;
  readonly buildId: string;
  readonly log: ReturnType<typeof createLog>;
  readonly build?: OwnBuild;
}): ActivityDependencies {
  const { options, database, buildId, log } = parts;
  const definitions = new LRUCache<string, StoredDefinition>({ max: 1_000 });
  const worker = `${process.pid}@${hostname()}-${randomBytes(3).toString('hex')}`;
  return {
    database,
    ledger: openLedger(database),
    models: options.models,
    priceOf: priceBook(options.workerSettings.prices),
    agents: new Map(options.app.agents.map((agent) => [agent.name, agent])),
    async definitionOf(hash) {
      const known = definitions.get(hash);
      if (known !== undefined) return known;
      const stored = await storedDefinition(database, hash);
      invariant(stored !== undefined, `definition ${hash} is published before a run pins it`);
      definitions.set(hash, stored);
      return stored;
    },
    transcripts: createTranscriptCache(),
    inFlight: createInFlight(),
    breakers: createToolBreakers(log),
    cache: createCallCache({
      database,
      log,
      buildId,
      bytesMax:
        (options.workerSettings.cacheMaxMb ?? limits.cacheMegabytesMaxDefault) * 1024 * 1024,
    }),
    providers: createProviderRates({
      database,
      provider: options.models.provider ?? 'default',
      worker,
      log,
    }),
    ...(parts.build === undefined ? {} : { build: parts.build }),
    worker,
    log,
    secrets: (name) => process.env[name],
  };
}

/** One runtime per process: Temporal's own lines go where ours go. */
let installed = false;
function installRuntime(log: ReturnType<typeof createLog>): void {
  if (installed) return;
  installed = true;
  // A near call holds its workflow task by design: only one that is held far too long is worth a line.
  process.env['TEMPORAL_WORKFLOW_TASK_DURATION_WARN_SECONDS'] ??= '30';
  Runtime.install({
    logger: log.temporal,
    // What the native core says goes where everything goes, and not past it to the screen.
    telemetryOptions: {
      logging: { forward: {}, filter: makeTelemetryFilterString({ core: 'WARN', other: 'ERROR' }) },
    },
    shutdownSignals: [],
  });
}
