import type { WorkflowClientInterceptor } from '@temporalio/client';
import { type Client, WorkflowClient } from '@temporalio/client';
import type { Build } from '../../contracts/deployments.ts';

/**
 * Sends an execution's next workflow task to a build, and leaves nothing behind: what that worker pins is
 * the run's own. A pinned override would stay on the run, and hold it there when it continues as new.
 */
export const toBuild = ({ deployment, buildId }: Build) =>
  ({ oneTime: { targetDeploymentVersion: { deploymentName: deployment, buildId } } }) as const;

/**
 * The same client, whose starts go to a build. Its own options know only overrides that stay:
 * https://github.com/temporalio/sdk-typescript/blob/main/packages/common/src/worker-deployments.ts
 * The sign that this can go: `VersioningOverride` there has a one-time kind.
 */
export function clientTo(temporal: Client, build: Build): WorkflowClient {
  const versioningOverride = toBuild(build);
  const interceptor: WorkflowClientInterceptor = {
    start: (input, next) => next({ ...input, options: { ...input.options, versioningOverride } }),
  };
  const { namespace, identity, loadedDataConverter: dataConverter } = temporal.options;
  return new WorkflowClient({
    connection: temporal.connection,
    namespace,
    identity,
    dataConverter,
    interceptors: [interceptor],
  });
}
