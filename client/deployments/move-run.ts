/**
 * Moves open runs to another build by hand: what a build that must go, or cannot go on, leaves behind.
 *
 * A move happens with the run's next workflow task. That it would decide as it did is for
 * `belayer replay RUN` on the other build's code to say, before.
 */
import { WorkflowNotFoundError } from '@temporalio/client';
import type { Build } from '../../contracts/deployments.ts';
import { limits } from '../../contracts/limits.ts';
import { missingFunctions } from '../../rules/missing-functions.ts';
import { deployedDefinition, storedDefinition } from '../../storage/definitions.ts';
import { familyOf } from '../../storage/force-close.ts';
import { readRun } from '../../storage/reading-runs.ts';
import { runUnknown } from '../../storage/ledger.ts';
import { eachAtOnce } from '../each-at-once.ts';
import { grpcCode, type Parts } from '../parts.ts';
import { checkBuild, deploymentOf, rejected } from './change-deployment.ts';
import { toBuild } from './versioning-override.ts';

export interface Move {
  readonly run: string;
  /** `ended`: it ended meanwhile. */
  readonly outcome: 'moved' | 'ended' | 'refused';
  readonly detail?: string;
}

type Stores = Pick<Parts, 'database' | 'temporal'>;

/**
 * A run and the sub-agents that work for it.
 *
 * @throws RunUnknown, DeploymentRejected  Nothing was moved.
 */
export async function moveRun(parts: Stores, run: string, to: Build): Promise<readonly Move[]> {
  checkBuild(
    to.deployment,
    await deploymentOf({ temporal: parts.temporal, deployment: to.deployment }),
    to.buildId,
  );
  if ((await readRun(parts.database, run)) === undefined) throw runUnknown(run);
  const open = (await familyOf(parts.database, run)).filter(({ endedAt }) => endedAt === null);
  const moves: Move[] = [];
  // Who called first, so that a sub-agent that begins meanwhile is on the new build.
  for (const { id } of open.toReversed()) moves.push(await moveOne(parts, id, to));
  return moves;
}

/** Every open run of a build. Sub-agents are runs of it like any other. @throws DeploymentRejected */
export async function moveAll(
  parts: Stores,
  { from, to }: { readonly from: string; readonly to: Build },
): Promise<readonly Move[]> {
  const { temporal } = parts;
  const deployment = await deploymentOf({ temporal, deployment: to.deployment });
  for (const buildId of [from, to.buildId]) checkBuild(to.deployment, deployment, buildId);
  const runs: string[] = [];
  const query = `TemporalWorkerDeploymentVersion = '${to.deployment}:${from}' AND ExecutionStatus = 'Running'`;
  for await (const { workflowId } of temporal.workflow.list({ query })) {
    runs.push(workflowId);
    if (runs.length >= limits.deploymentMovesMax) break;
  }
  const moves: Move[] = [];
  await eachAtOnce(runs, limits.haltSignalsMax, async (run) => {
    moves.push(await moveOne(parts, run, to));
  });
  return moves.toSorted((one, other) => one.run.localeCompare(other.run));
}

async function moveOne({ database, temporal }: Stores, run: string, to: Build): Promise<Move> {
  const lacks = await whatItLacks({ database }, run, to);
  if (lacks !== undefined) return { run, outcome: 'refused', detail: lacks };
  try {
    await temporal.withDeadline(Date.now() + limits.deploymentAskMsMax, () =>
      temporal.workflowService.updateWorkflowExecutionOptions({
        namespace: temporal.options.namespace,
        workflowExecution: { workflowId: run },
        workflowExecutionOptions: { versioningOverride: toBuild(to) },
        updateMask: { paths: ['versioning_override'] },
        identity: 'belayer deployments move',
      }),
    );
    return { run, outcome: 'moved' };
  } catch (error) {
    // NOT_FOUND: its workflow has closed.
    if (error instanceof WorkflowNotFoundError || grpcCode(error) === 5)
      return { run, outcome: 'ended' };
    throw rejected(
      `Run \`${run}\` was not moved: ${(error as { readonly details?: string }).details ?? (error as Error).message}`,
      error,
    );
  }
}

/** A run on a build without its tools would wait for a worker that has them. */
async function whatItLacks(
  { database }: Pick<Stores, 'database'>,
  run: string,
  to: Build,
): Promise<string | undefined> {
  const row = await readRun(database, run);
  const own = row === undefined ? undefined : await storedDefinition(database, row.definition);
  if (own === undefined) return 'It is no run of this database.';
  const there = await deployedDefinition(database, own.frozen.name, to);
  if (there === undefined) return `Build \`${to.buildId}\` has no agent \`${own.frozen.name}\`.`;
  const missing = missingFunctions(own.frozen, there.frozen);
  return missing.length === 0
    ? undefined
    : `Build \`${to.buildId}\` lacks ${missing.map((name) => `\`${name}\``).join(', ')}.`;
}
