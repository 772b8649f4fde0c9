/**
 * A world of its own for integration tests: real servers on free ports, a real HTTP provider that is
 * scripted, and workers in this process. `stop` ends all of it.
 */
import { Client, Connection } from '@temporalio/client';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { openAiModelClient } from '../../activities/models/openai-model.ts';
import type { PriceOverrides } from '../../activities/models/price-overrides.ts';
import { type Belayer, belayerOn } from '../../client/connect.ts';
import type { Build } from '../../contracts/deployments.ts';
import type { App, AnyAgent } from '../../definitions/internal.ts';
import { asApp } from '../../definitions/internal.ts';
import { type OwnServers, type OwnServersOptions, startOwnServers } from '../../servers/index.ts';
import { type Database, openDatabase } from '../../storage/database.ts';
import { migrate } from '../../storage/migrate.ts';
import { type Provider, startProvider } from '../../testing/provider/index.ts';
import { type AgentWorker, startAgentWorker } from '../../workers/agent-worker.ts';

export const testPrices: PriceOverrides = {
  'test-model': { inputUsdPerMillion: 1, outputUsdPerMillion: 2 },
  'other-model': { inputUsdPerMillion: 1, outputUsdPerMillion: 2 },
  'dear-model': { inputUsdPerMillion: 10, outputUsdPerMillion: 20 },
};

export interface World {
  readonly servers: OwnServers;
  readonly provider: Provider;
  readonly database: Database;
  readonly temporal: Client;
  /** A client of its own, as an application has one. */
  readonly belayer: Belayer;
  /** A client whose starts go to another task queue. */
  clientOn(taskQueue: string): Promise<Belayer>;
  work(
    app: App | AnyAgent,
    options?: {
      readonly model?: string;
      readonly taskQueue?: string;
      readonly build?: Build;
    },
  ): Promise<AgentWorker>;
  stop(): Promise<void>;
}

export async function createWorld(options: OwnServersOptions = {}): Promise<World> {
  const servers = await startOwnServers({
    temporalInMemory: true,
    postgresSettings: { fsync: 'off' },
    ...options,
  });
  const provider = await startProvider({});
  const dataFolder = mkdtempSync(join(tmpdir(), 'belayer-world-'));
  const { temporal: where, databaseUrl } = servers.addresses;
  const database = openDatabase({ url: databaseUrl });
  await migrate(database);
  const connection = await Connection.connect({ address: where.address });
  const temporal = new Client({ connection, namespace: where.namespace });
  const settings = {
    namespace: where.namespace,
    taskQueue: 'belayer',
    dataFolder,
    temporal: {},
  };
  const workers: AgentWorker[] = [];
  const client = (taskQueue: string): Belayer =>
    belayerOn({
      settings: { ...settings, taskQueue },
      database,
      temporal,
      by: 'tester',
      eagerStart: false,
      close: () => Promise.resolve(),
    });
  const belayer = client(settings.taskQueue);
  return {
    servers,
    provider,
    database,
    temporal,
    belayer,
    clientOn: (taskQueue) => Promise.resolve(client(taskQueue)),
    async work(app, { model = 'test-model', taskQueue, build } = {}) {
      const worker = await startAgentWorker({
        app: asApp(app),
        buildId: build?.buildId ?? 'test',
        addresses: servers.addresses,
        settings: { ...settings, ...(taskQueue === undefined ? {} : { taskQueue }) },
        workerSettings: {
          logLevel: 'error',
          callsAtOnce: 100,
          modelDefault: model,
          prices: testPrices,
          ...(build === undefined ? {} : { deployment: build.deployment }),
        },
        models: openAiModelClient({ apiKey: 'test', baseURL: provider.baseURL }),
        bundle: await testBundle(),
      });
      workers.push(worker);
      return worker;
    },
    async stop() {
      for (const worker of workers) await worker.stop().catch(() => undefined);
      await connection.close().catch(() => undefined);
      await database.close();
      await provider.stop();
      await servers.stop();
      rmSync(dataFolder, { recursive: true, force: true });
    },
  };
}

/** One bundle per content of the workflow code, shared by all test files. */
async function testBundle(): Promise<string> {
  const { workflowBundle } = await import('../../workers/workflow-bundle.ts');
  return workflowBundle(join(tmpdir(), 'belayer-test-bundles'));
}
