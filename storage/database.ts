/**
 * The way to PostgreSQL: one pool per process, one prepared statement per function.
 *
 * 1. A statement that could not reach the server fails with `StorageUnavailable`; what it did is then
 *    not known, so every statement of ours may be asked again (see `0002-functions.ts`, point 4).
 * 2. A lost connection never ends the process: the pool makes another one.
 */
import pg from 'pg';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { storableText } from './storable.ts';

export interface Database {
  /** Runs one statement. `name` makes it a prepared one: the same name always has the same text. */
  query<Row>(statement: Statement, values?: readonly unknown[]): Promise<readonly Row[]>;
  /** Calls `name` again and again with its rows until `stop`; resolves when listening has begun. */
  listen(channel: string, onMessage: (payload: string) => void): Promise<{ stop(): Promise<void> }>;
  close(): Promise<void>;
  readonly pool: pg.Pool;
}

export interface Statement {
  readonly name?: string;
  readonly text: string;
}

// PostgreSQL's int8 holds money and counts here, all far below 2^53.
const types: pg.CustomTypesConfig = {
  getTypeParser: ((oid: number, format?: 'text' | 'binary') =>
    oid === 20
      ? Number
      : pg.types.getTypeParser(oid, format as 'text')) as pg.CustomTypesConfig['getTypeParser'],
};

export interface DatabaseSettings {
  readonly url: string;
  /** Connections at most. Default `limits.databasePoolMax`. */
  readonly connections?: number;
  readonly applicationName?: string;
}

export function openDatabase(settings: DatabaseSettings): Database {
  const config: pg.PoolConfig = {
    connectionString: settings.url,
    max: settings.connections ?? limits.databasePoolMax,
    connectionTimeoutMillis: limits.databaseConnectMsMax,
    idleTimeoutMillis: 30_000,
    application_name: settings.applicationName ?? 'belayer',
    keepAlive: true,
    // A server that is frozen, or behind a network that swallows packets, must not hold a call for ever.
    query_timeout: limits.databaseStatementMsMax,
    types,
  };
  const pool = new pg.Pool(config);
  // Without a listener the end of an idle connection would end the process.
  pool.on('error', () => undefined);
  let closed: Promise<void> | undefined;
  return {
    pool,
    async query<Row>(statement: Statement, values: readonly unknown[] = []) {
      if (closed !== undefined)
        throw new BelayerError(
          failureType.connectionClosed,
          'This connection to Belayer has been closed. Connect again.',
        );
      try {
        const result = await pool.query({ ...statement, values: values.map(storable) });
        return result.rows as readonly Row[];
      } catch (error) {
        throw toStorageError(error);
      }
    },
    listen: (channel, onMessage) => listen(config, channel, onMessage),
    close: () => (closed ??= pool.end()),
  };
}

const storable = (value: unknown): unknown =>
  typeof value === 'string' ? storableText(value) : value;

/** PostgreSQL codes that say "not now": the server ends, starts, is full, or lost the connection. */
const passingCodes = new Set(['40001', '40P01', '55P03', '57014', '25006']);
/** Connection exceptions, insufficient resources, operator intervention, system errors: whole classes. */
const passingClasses = /^(08|53|57P|58)/;
const passingSystemCodes = new Set(['ECONNREFUSED', 'ECONNRESET', 'ECONNABORTED', 'EPIPE', 'ETIMEDOUT', 'ENOTFOUND', 'EHOSTUNREACH', 'EHOSTDOWN', 'ENETUNREACH', 'ENETDOWN', 'EADDRNOTAVAIL', 'ENOENT', 'EAI_AGAIN', 'EMFILE']); // prettier-ignore

/** A fault that a later try may not meet becomes `StorageUnavailable`; any other stays as it is. */
export function toStorageError(error: unknown): unknown {
  const code = (error as { code?: unknown }).code;
  const passing =
    typeof code === 'string'
      ? passingCodes.has(code) || passingClasses.test(code) || passingSystemCodes.has(code)
      : // `pg` raises plain errors, without a code, when a connection ends or cannot be made in time.
        error instanceof Error && !(error instanceof TypeError) && error.constructor === Error;
  return passing
    ? new BelayerError(
        failureType.storageUnavailable,
        `PostgreSQL did not answer: ${(error as Error).message}`,
        { cause: error },
      )
    : error;
}

export const isStorageUnavailable = (error: unknown): boolean =>
  error instanceof BelayerError && error.type === failureType.storageUnavailable;

/**
 * Asks again until the server answers or `deadlineMs` (epoch) has passed.
 * Only for statements that may be asked twice. Throws the last `StorageUnavailable`.
 */
export async function untilStored<Value>(
  write: () => Promise<Value>,
  options: { readonly deadlineMs: number; readonly signal?: AbortSignal },
): Promise<Value> {
  for (let delayMs = 100; ; delayMs = Math.min(delayMs * 2, 2_000)) {
    try {
      return await write();
    } catch (error) {
      const over = Date.now() + delayMs >= options.deadlineMs || options.signal?.aborted === true;
      if (!isStorageUnavailable(error) || over) throw error;
      await new Promise((resolve) => setTimeout(resolve, delayMs));
    }
  }
}

async function listen(
  config: pg.PoolConfig,
  channel: string,
  onMessage: (payload: string) => void,
): Promise<{ stop(): Promise<void> }> {
  let stopped = false;
  let client: pg.Client | undefined;
  let again: NodeJS.Timeout | undefined;
  const connect = async (): Promise<void> => {
    const fresh = new pg.Client(config);
    fresh.on('error', () => undefined);
    fresh.on('notification', (notification) => onMessage(notification.payload ?? ''));
    fresh.on('end', () => {
      if (stopped || client !== fresh) return;
      client = undefined;
      retry();
    });
    await fresh.connect();
    await fresh.query(`listen ${pg.escapeIdentifier(channel)}`);
    client = fresh;
    // What was said while nobody listened is for the caller's own polling to find.
    if (stopped) await fresh.end();
  };
  const retry = (): void => {
    again = setTimeout(() => void connect().catch(retry), 1_000);
    again.unref();
  };
  await connect().catch((error: unknown) => {
    throw toStorageError(error);
  });
  return {
    async stop() {
      stopped = true;
      clearTimeout(again);
      await client?.end();
    },
  };
}
