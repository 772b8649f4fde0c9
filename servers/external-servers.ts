import type { Connection as ClientConnection } from '@temporalio/client';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { ask } from './postgres-readiness.ts';
import { withoutPassword } from './server-addresses.ts';
import { serverLimits } from './server-limits.ts';

const seconds = serverLimits.reachMsMax / 1000;

/**
 * Checks that a named Temporal server answers and has the namespace.
 * @returns The server's version.
 * @throws ServerUnreachable  Naming the setting, the address and what to check.
 */
export async function checkTemporal(address: string, namespace: string): Promise<string> {
  if (!/^\[?[^\s/]+\]?:\d{1,5}$/.test(address)) {
    throw new BelayerError(
      failureType.settingsRejected,
      `TEMPORAL_ADDRESS is '${address}'; expected host:port without a scheme. Example: localhost:7233.`,
    );
  }
  const { Connection } = await import('@temporalio/client');
  let connection: ClientConnection | undefined;
  try {
    connection = await Connection.connect({ address, connectTimeout: serverLimits.reachMsMax });
    const open = connection;
    return await open.withDeadline(Date.now() + serverLimits.reachMsMax, async () => {
      await open.workflowService.describeNamespace({ namespace });
      return (await open.workflowService.getSystemInfo({})).serverVersion || 'unknown';
    });
  } catch (error) {
    const reached = connection !== undefined;
    throw new BelayerError(
      failureType.serverUnreachable,
      `The Temporal server at ${address} (TEMPORAL_ADDRESS) ${reached ? `does not give namespace '${namespace}' (TEMPORAL_NAMESPACE)` : 'cannot be reached'} within ${seconds} s: ${reason(error)}. ` +
        (reached
          ? `Check that the namespace exists (\`temporal operator namespace describe -n ${namespace} --address ${address}\`) and that this client may see it.`
          : 'Check that the server runs, that host and port are right and that no firewall is between; unset TEMPORAL_ADDRESS to use the embedded server.'),
      { cause: error },
    );
  } finally {
    await connection?.close().catch(() => {});
  }
}

/**
 * Checks that a named PostgreSQL answers and is new enough.
 * @returns Its version.
 * @throws ServerUnreachable  Naming the setting, the address without its password, and what to check.
 */
export async function checkDatabase(databaseUrl: string): Promise<string> {
  const shown = withoutPassword(databaseUrl);
  if (!/^postgres(ql)?:\/\//.test(databaseUrl) || shown === '(not a URL)') {
    throw new BelayerError(
      failureType.settingsRejected,
      'DATABASE_URL is no URL of a PostgreSQL database. Example: postgres://user:password@localhost:5432/belayer.',
    );
  }
  let version: string;
  try {
    const [row] = await ask(databaseUrl, 'show server_version');
    version = String(row?.['server_version']);
  } catch (error) {
    throw new BelayerError(
      failureType.serverUnreachable,
      `The database ${shown} (DATABASE_URL) cannot be used: ${reason(error)}. Check that PostgreSQL runs there, that host, port, user, password and database are right, and that it wants no TLS that the URL leaves out; unset DATABASE_URL to use the embedded one.`,
      { cause: error },
    );
  }
  if (Number.parseInt(version, 10) < serverLimits.postgresMajorMin) {
    throw new BelayerError(
      failureType.settingsRejected,
      `The database ${shown} (DATABASE_URL) is PostgreSQL ${version}; the oldest that works is ${serverLimits.postgresMajorMin}.`,
    );
  }
  return version;
}

/** Node hides the reason of a connection to several addresses in a list with an empty message. */
function reason(error: unknown): string {
  if (error instanceof AggregateError && error.errors.length > 0) return reason(error.errors[0]);
  const { message, code } = error as { message?: string; code?: unknown };
  return (message || String(code ?? error)).replace(/\.$/, '');
}
