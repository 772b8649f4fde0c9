import { Client, Connection } from '@temporalio/client';
import { openDatabase } from '../storage/database.ts';
import { type ConnectOptions, leaseFor } from './connect.ts';
import type { Parts } from './parts.ts';
import { readSettings } from './settings.ts';
import { whoActs } from './who-acts.ts';

/**
 * A connection that is good for halting and no more: it asks neither server whether it is there, since
 * a halt needs only one of them. Embedded servers are started or joined as ever.
 */
export async function connectForHalting(
  options: ConnectOptions,
): Promise<Pick<Parts, 'database' | 'temporal' | 'by' | 'close'>> {
  const environment = options.environment ?? process.env;
  const settings = readSettings(environment);
  const { temporalAddress, databaseUrl } = settings;
  const named =
    temporalAddress === undefined || databaseUrl === undefined
      ? undefined
      : {
          addresses: {
            temporal: { address: temporalAddress, namespace: settings.namespace },
            databaseUrl,
          },
          release: () => Promise.resolve(),
        };
  const lease = named ?? (await leaseFor(settings, options, 'postgres'));
  const { temporal } = lease.addresses;
  const database = openDatabase({
    url: lease.addresses.databaseUrl,
    applicationName: 'belayer halt',
  });
  const connection = Connection.lazy({ ...settings.temporal, address: temporal.address });
  return {
    database,
    temporal: new Client({ connection, namespace: temporal.namespace }),
    by: options.by ?? whoActs(environment),
    async close() {
      await connection.close().catch(() => undefined);
      await database.close();
      await lease.release();
    },
  };
}
