/** The servers, the provider and the worker processes that everything is measured on. */
import { Client, Connection } from '@temporalio/client';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readDevServerSettings } from '../../servers/dev-server-settings.ts';
import { startOwnServers } from '../../servers/index.ts';
import { type Child, startChild } from './child-process.ts';
import { type Surroundings, toEnvironment } from './surroundings.ts';
import type { Variant } from './workloads.ts';

export interface Stage {
  readonly temporal: Client;
  readonly temporalPid: number;
  readonly postgresPid: number;
  readonly providerPid: number;
  readonly databaseUrl: string;
  readonly sqliteFile: string;
  workerOf(variant: Variant): Child;
  stop(): Promise<void>;
}

/** Real servers as users have them: Temporal on a SQLite file, PostgreSQL with fsync. Nothing is left behind. */
export async function setStage(options: { readonly profile?: string }): Promise<Stage> {
  const folder = mkdtempSync(join(tmpdir(), 'belayer-bench-'));
  const closing: (() => Promise<unknown>)[] = [
    () => Promise.resolve(rmSync(folder, { recursive: true, force: true })),
  ];
  const stop = async (): Promise<void> => {
    for (const close of closing.splice(0).toReversed()) await close().catch(() => undefined);
  };
  try {
    const servers = await startOwnServers({ folder: join(folder, 'servers') });
    closing.push(() => servers.stop());
    const provider = await startChild('provider-main.ts');
    closing.push(() => provider.stop());
    const { baseURL } = await provider.ask<{ readonly baseURL: string }>('where');
    const { temporal: where, databaseUrl } = servers.addresses;
    const surroundings: Surroundings = {
      temporalAddress: where.address,
      namespace: where.namespace,
      databaseUrl,
      baseURL,
      folder: join(tmpdir(), 'belayer-bench-bundles'),
    };
    const child = async (main: string): Promise<Child> => {
      const started = await startChild(main, {
        environment: toEnvironment(surroundings),
        ...(options.profile === undefined ? {} : { profile: options.profile }),
      });
      closing.push(() => started.stop());
      return started;
    };
    const loop = await child('hand-written-worker-main.ts');
    const belayer = await child('belayer-worker-main.ts');
    const connection = await Connection.connect({ address: where.address });
    closing.push(() => connection.close());
    const settings = readDevServerSettings(
      new URL('../../temporal-dev.yml', import.meta.url).pathname,
    );
    return {
      temporal: new Client({ connection, namespace: where.namespace }),
      temporalPid: servers.temporalPid ?? 0,
      postgresPid: servers.postgresPid ?? 0,
      providerPid: provider.pid,
      databaseUrl,
      sqliteFile: join(servers.folder, settings.databaseFile),
      workerOf: (variant) => (variant.startsWith('loop') ? loop : belayer),
      stop,
    };
  } catch (error) {
    await stop();
    throw error;
  }
}
