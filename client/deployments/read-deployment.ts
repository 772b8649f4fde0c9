/** A deployment as Temporal knows it. Temporal alone holds where starts go: nothing here is a copy of it. */
import type { Client } from '@temporalio/client';
import type { Routing } from '../../contracts/deployments.ts';
import { limits } from '../../contracts/limits.ts';
import { grpcCode } from '../parts.ts';

/**
 * `waiting`: its workers ask for work, and it was never sent any. `draining`: no start goes to it, and runs
 * of it are open. `drained`: none is open; its workers may go.
 */
export type BuildState = 'current' | 'ramping' | 'draining' | 'drained' | 'waiting';

export interface BuildRow {
  readonly deployment: string;
  readonly buildId: string;
  readonly state: BuildState;
  /** Of the starts. Only of `ramping`. */
  readonly percent?: number;
  readonly createdAt: Date;
  /** When it became current last. */
  readonly currentAt?: Date;
  /** When Temporal looked last whether its runs have ended; only of `draining` and `drained`. */
  readonly checkedAt?: Date;
}

export interface Deployment {
  readonly routing: Routing;
  /** Newest first. */
  readonly builds: readonly BuildRow[];
  /** Given back with a change, which is then refused where another one came between. */
  readonly conflictToken: Uint8Array;
}

/** gRPC's code for what is not there. */
const notFound = 5;

/** Undefined: no worker has ever asked for work under this name. Throws where Temporal does not answer. */
export async function readDeployment(
  temporal: Client,
  deployment: string,
): Promise<Deployment | undefined> {
  const { namespace } = temporal.options;
  const answer = await temporal
    .withDeadline(Date.now() + limits.deploymentAskMsMax, () =>
      temporal.workflowService.describeWorkerDeployment({ namespace, deploymentName: deployment }),
    )
    .catch((error: unknown) => {
      if (grpcCode(error) === notFound) return undefined;
      throw error;
    });
  if (answer === undefined) return undefined;
  const { routingConfig, versionSummaries } = answer.workerDeploymentInfo ?? {};
  const current = routingConfig?.currentDeploymentVersion?.buildId ?? '';
  const ramping = routingConfig?.rampingDeploymentVersion?.buildId ?? '';
  const percent = routingConfig?.rampingVersionPercentage ?? 0;
  const builds = (versionSummaries ?? []).map((summary): BuildRow => {
    const buildId = summary.deploymentVersion?.buildId ?? '';
    const state =
      buildId === current
        ? 'current'
        : buildId === ramping
          ? 'ramping'
          : (states[summary.status ?? 0] ?? 'waiting');
    const currentAt = toDate(summary.lastCurrentTime);
    const checkedAt = toDate(summary.drainageInfo?.lastCheckedTime);
    return {
      deployment,
      buildId,
      state,
      ...(state === 'ramping' ? { percent } : {}),
      createdAt: toDate(summary.createTime) ?? new Date(0),
      ...(currentAt === undefined ? {} : { currentAt }),
      ...(checkedAt === undefined || !isPast(state) ? {} : { checkedAt }),
    };
  });
  return {
    routing: {
      ...(current === '' ? {} : { current }),
      ...(ramping === '' ? {} : { ramping: { buildId: ramping, percent } }),
    },
    builds: builds.toSorted((one, other) => other.createdAt.getTime() - one.createdAt.getTime()),
    conflictToken: answer.conflictToken ?? new Uint8Array(),
  };
}

/** Names of the deployments of the namespace. */
export async function listDeployments(temporal: Client): Promise<readonly string[]> {
  const names: string[] = [];
  let nextPageToken: Uint8Array = new Uint8Array();
  do {
    const page = await temporal.workflowService.listWorkerDeployments({
      namespace: temporal.options.namespace,
      pageSize: limits.deploymentsPageRowsMax,
      nextPageToken,
    });
    names.push(...(page.workerDeployments ?? []).map(({ name }) => name ?? ''));
    nextPageToken = page.nextPageToken ?? new Uint8Array();
  } while (nextPageToken.length > 0 && names.length < limits.deploymentsShownMax);
  return names.toSorted();
}

/** By `WorkerDeploymentVersionStatus`. What was current or ramping a moment ago may say so still. */
const states: Readonly<Record<number, BuildState>> = {
  2: 'draining',
  3: 'draining',
  4: 'draining',
  5: 'drained',
};
const isPast = (state: BuildState): boolean => state === 'draining' || state === 'drained';

function toDate(
  time: { readonly seconds?: unknown; readonly nanos?: number | null } | null | undefined,
): Date | undefined {
  return time == null
    ? undefined
    : new Date(Number(time.seconds ?? 0) * 1000 + (time.nanos ?? 0) / 1e6);
}
