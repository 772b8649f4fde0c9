import { Kysely, type Migration, Migrator, PostgresDialect, sql } from 'kysely';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { type Database, isStorageUnavailable, toStorageError } from './database.ts';
import { tables } from './migrations/0001-tables.ts';
import { functions } from './migrations/0002-functions.ts';
import { toolCalls } from './migrations/0002-tool-calls.ts';
import { humans } from './migrations/0003-humans.ts';
import { stopFlags } from './migrations/0004-stop-flags.ts';
import { announcements } from './migrations/0005-announcements.ts';
import { recordings } from './migrations/0006-recordings.ts';
import { forks } from './migrations/0007-forks.ts';
import { deployments } from './migrations/0008-deployments.ts';
import { toldInTurn } from './migrations/0009-told-in-turn.ts';
import { budgets } from './migrations/0010-budgets.ts';
import { settlements } from './migrations/0010-settlements.ts';
import { cache } from './migrations/0011-cache.ts';
import { admission } from './migrations/0012-admission.ts';
import { throttles } from './migrations/0012-throttles.ts';
import { costs } from './migrations/0013-costs.ts';

const step = (text: string): Migration => ({
  async up(db) {
    await sql.raw(text).execute(db);
  },
});

const migrations: Record<string, Migration> = {
  '0001-tables': step(tables),
  '0002-functions': step(functions + toolCalls),
  '0003-humans': step(humans),
  '0004-stop-flags': step(stopFlags),
  '0005-announcements': step(announcements),
  '0006-recordings': step(recordings),
  '0007-forks': step(forks),
  '0008-deployments': step(deployments),
  '0009-told-in-turn': step(toldInTurn),
  '0010-budgets': step(budgets + settlements),
  '0011-cache': step(cache),
  '0012-admission': step(admission + throttles),
  '0013-costs': step(costs),
};

/**
 * Brings the database's schema up to date. Safe to call from many processes at once: one migrates,
 * the others wait for it and find nothing to do.
 *
 * @throws StorageUnavailable  The server cannot be reached.
 * @throws SettingsRejected    A migration failed; nothing of it was kept.
 */
export async function migrate(database: Database): Promise<void> {
  const db = new Kysely<unknown>({
    dialect: new PostgresDialect({ pool: database.pool }),
  });
  // Not destroyed: that would end the pool, which is the caller's.
  const migrator = new Migrator({
    db,
    provider: { getMigrations: () => Promise.resolve(migrations) },
    migrationTableSchema: 'belayer_schema',
  });
  const { error, results } = await migrator.migrateToLatest();
  if (error === undefined) return;
  const passing = toStorageError(error);
  // Kysely's word for a database that is newer than this code is a plain error, as a lost connection is.
  if (isStorageUnavailable(passing) && !(error as Error).message.startsWith('corrupted migrations'))
    throw passing;
  const failed =
    results?.find((result) => result.status === 'Error')?.migrationName ?? 'the schema';
  throw new BelayerError(
    failureType.settingsRejected,
    `Migration ${failed} of the database failed: ${(error as Error).message}. The database needs PostgreSQL 15 or newer and a role that may create schemas.`,
    { cause: error },
  );
}
