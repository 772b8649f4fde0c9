import type { Connection } from '@temporalio/client';
import { answersTcp } from './answers-tcp.ts';
import type { DevServerSettings } from './dev-server-settings.ts';
import { serverLimits } from './server-limits.ts';
import { sleep } from './stop-process.ts';

// The numbers of temporal.api.enums.v1.IndexedValueType.
const indexedValueTypes = {
  Text: 1,
  Keyword: 2,
  Int: 3,
  Double: 4,
  Bool: 5,
  Datetime: 6,
  KeywordList: 7,
} as const;
const grpcNotFound = 5;
const grpcAlreadyExists = 6;
const workflowRetentionSeconds = 30 * 24 * 3600;

/**
 * Waits until the frontend answers for every namespace, and adds what the server's flags do not: a
 * namespace asked for later, and search attributes added to the settings after the database was
 * made (`start-dev` registers them with a new namespace only).
 */
export async function waitUntilTemporalServes(
  address: string,
  wanted: {
    readonly namespaces: readonly string[];
    readonly searchAttributes: DevServerSettings['searchAttributes'];
  },
  signal: AbortSignal,
): Promise<void> {
  // Loaded while the server starts: it takes about as long.
  const { Connection } = await import('@temporalio/client');
  let connection: Connection | undefined;
  let last: unknown = new Error('it was not asked yet');
  try {
    while (!signal.aborted) {
      // gRPC waits a whole second after a refused connection; a bare one can be tried every few milliseconds.
      if (!(await answersTcp(address, serverLimits.reachMsMax))) {
        last = new Error(`nothing listens on ${address}`);
        await sleep(serverLimits.serveProbeMs);
        continue;
      }
      try {
        connection ??= await Connection.connect({
          address,
          connectTimeout: '1 second',
          tls: false,
        });
        const open = connection;
        await open.withDeadline(Date.now() + serverLimits.reachMsMax, async () => {
          for (const namespace of wanted.namespaces)
            await ensureNamespace(open, namespace, wanted.searchAttributes);
        });
        return;
      } catch (error) {
        last = error;
        await connection?.close().catch(() => {});
        connection = undefined;
      }
      await sleep(serverLimits.serveProbeMs);
    }
    throw last;
  } finally {
    await connection?.close().catch(() => {});
  }
}

async function ensureNamespace(
  connection: Connection,
  namespace: string,
  searchAttributes: DevServerSettings['searchAttributes'],
): Promise<void> {
  try {
    await connection.workflowService.describeNamespace({ namespace });
  } catch (error) {
    if (!isNotFound(error)) throw error;
    await connection.workflowService
      .registerNamespace({
        namespace,
        workflowExecutionRetentionPeriod: { seconds: workflowRetentionSeconds as never },
      })
      .catch((refusal: unknown) => {
        if ((refusal as { code?: number }).code !== grpcAlreadyExists) throw refusal;
      });
  }
  const { customAttributes } = await connection.operatorService.listSearchAttributes({ namespace });
  const absent = Object.entries(searchAttributes).filter(
    ([name]) => customAttributes[name] === undefined,
  );
  if (absent.length === 0) return;
  await connection.operatorService.addSearchAttributes({
    namespace,
    searchAttributes: Object.fromEntries(
      absent.map(([name, type]) => [name, indexedValueTypes[type]]),
    ),
  });
}

function isNotFound(error: unknown): boolean {
  return (error as { code?: number }).code === grpcNotFound;
}
