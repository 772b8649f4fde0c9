import pg from 'pg';
import { databaseName } from './postgres-cluster.ts';
import { serverLimits } from './server-limits.ts';
import { sleep } from './stop-process.ts';

const duplicateDatabase = '42P04';
const noSuchDatabase = '3D000';

/** Waits until a query is answered, recovery after a kill included, and makes our database when it is missing. */
export async function waitUntilPostgresServes(
  databaseUrl: string,
  signal: AbortSignal,
): Promise<void> {
  const maintenanceUrl = new URL(databaseUrl);
  maintenanceUrl.pathname = '/postgres';
  let last: unknown = new Error('it was not asked yet');
  while (!signal.aborted) {
    try {
      await ask(databaseUrl, 'select 1');
      return;
    } catch (error) {
      last = error;
      if ((error as { code?: string }).code === noSuchDatabase) {
        await ask(maintenanceUrl.toString(), `create database ${databaseName}`).catch(
          (refusal: unknown) => {
            if ((refusal as { code?: string }).code !== duplicateDatabase) last = refusal;
          },
        );
        continue;
      }
    }
    await sleep(serverLimits.serveProbeMs);
  }
  throw last;
}

/** One query on a connection of its own. */
export async function ask(databaseUrl: string, query: string): Promise<Record<string, unknown>[]> {
  const client = new pg.Client({
    connectionString: databaseUrl,
    connectionTimeoutMillis: serverLimits.reachMsMax,
    query_timeout: serverLimits.commandMsMax,
  });
  // Without a listener a server that goes away ends this process.
  client.on('error', () => {});
  try {
    await client.connect();
    return (await client.query<Record<string, unknown>>(query)).rows;
  } finally {
    await client.end().catch(() => {});
  }
}
