/** Several statements that see one state, or that all happen or none. */
import { type Database, type Statement, toStorageError } from './database.ts';

export type Query = <Row>(
  statement: Statement,
  values?: readonly unknown[],
) => Promise<readonly Row[]>;

const begin = {
  /** What is read is of one moment, whatever others write meanwhile. */
  read: 'begin isolation level repeatable read, read only',
  write: 'begin',
} as const;

/** Keeps one connection for its time: not for the path of a call. */
export async function inTransaction<Result>(
  database: Database,
  mode: keyof typeof begin,
  use: (query: Query) => Promise<Result>,
): Promise<Result> {
  const client = await database.pool.connect().catch((error: unknown) => {
    throw toStorageError(error);
  });
  // A connection that breaks while it is ours must not end the process.
  const ignore = (): void => undefined;
  client.on('error', ignore);
  let broken: Error | undefined;
  const query: Query = async <Row>(statement: Statement, values: readonly unknown[] = []) => {
    try {
      return (await client.query({ ...statement, values: [...values] })).rows as readonly Row[];
    } catch (error) {
      throw toStorageError(error);
    }
  };
  try {
    await query({ text: begin[mode] });
    await query({ text: "set local timezone to 'UTC'" });
    const result = await use(query);
    await query({ text: 'commit' });
    return result;
  } catch (error) {
    await query({ text: 'rollback' }).catch((failure: Error) => {
      broken = failure;
    });
    throw error;
  } finally {
    client.off('error', ignore);
    client.release(broken);
  }
}
