import {
  buildName,
  buildNameRule,
  deploymentName,
  deploymentNameRule,
} from '../../contracts/deployments.ts';
import { limits } from '../../contracts/limits.ts';
import { deploymentOf, promote, rollBack } from '../deployments/change-deployment.ts';
import { type Move, moveAll, moveRun } from '../deployments/move-run.ts';
import {
  type BuildRow,
  type Deployment,
  listDeployments,
  readDeployment,
} from '../deployments/read-deployment.ts';
import { isUnreachable } from '../parts.ts';
import { BelayerError, failureType } from '../../contracts/failures.ts';
import { moment } from './amounts.ts';
import { exitCode, WrongUsage } from './exit-codes.ts';
import { safeLine } from './safe-text.ts';
import { table } from './table.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withConnection } from './with-connection.ts';

export interface DeploymentFlags {
  readonly deployment?: string;
  readonly json?: true;
}

export interface MoveFlags extends DeploymentFlags {
  readonly from?: string;
  readonly to: string;
}

export async function deploymentsCommand(
  terminal: Terminal,
  flags: DeploymentFlags,
): Promise<number> {
  const named = namedOf(terminal, flags);
  const builds = await asking(terminal, async ({ temporal }) => {
    if (named !== undefined) return (await deploymentOf({ temporal, deployment: named })).builds;
    const rows: BuildRow[] = [];
    for (const name of await listDeployments(temporal))
      rows.push(...((await readDeployment(temporal, name))?.builds ?? []));
    return rows;
  });
  if (builds.length === 0 && flags.json !== true)
    terminal.note('Temporal knows no deployment: no worker with BELAYER_DEPLOYMENT has started.');
  else show(terminal, builds, flags);
  return exitCode.done;
}

export async function promoteCommand(
  terminal: Terminal,
  build: string,
  flags: DeploymentFlags & { readonly ramp?: number },
): Promise<number> {
  const { ramp } = flags;
  checkBuildName('The build', build);
  const deployment = nameOf(terminal, flags);
  const after = await asking(terminal, ({ temporal, by }) =>
    promote({ temporal, deployment, by }, build, ramp),
  );
  terminal.note(
    ramp === undefined
      ? `All starts go to build ${safeLine(build)}.`
      : `${ramp} percent of the starts go to build ${safeLine(build)}.`,
  );
  showOne(terminal, after, flags);
  return exitCode.done;
}

export async function rollbackCommand(terminal: Terminal, flags: DeploymentFlags): Promise<number> {
  const deployment = nameOf(terminal, flags);
  const { after, from, to } = await asking(terminal, ({ temporal, by }) =>
    rollBack({ temporal, deployment, by }),
  );
  terminal.note(`No start goes to build ${safeLine(from)} any more; all go to ${safeLine(to)}.`);
  showOne(terminal, after, flags);
  return exitCode.done;
}

/** Ends with 1 where a run was not moved. */
export async function moveCommand(
  terminal: Terminal,
  run: string | undefined,
  flags: MoveFlags,
): Promise<number> {
  const { from } = flags;
  if ((run === undefined) === (from === undefined))
    throw new WrongUsage('Name either a run or --from BUILD.');
  if (from !== undefined) checkBuildName('The build of --from', from);
  checkBuildName('The build of --to', flags.to);
  const to = { deployment: nameOf(terminal, flags), buildId: flags.to };
  const moves = await asking(terminal, (stores) =>
    run === undefined ? moveAll(stores, { from: from ?? '', to }) : moveRun(stores, run, to),
  );
  if (flags.json === true) for (const move of moves) outJson(terminal, move, 'line');
  else if (moves.length === 0) terminal.note('No open run was found.');
  else for (const move of moves) terminal.out(`${moveLine(move)}\n`);
  return moves.some(({ outcome }) => outcome === 'refused') ? exitCode.failed : exitCode.done;
}

const moveLine = ({ run, outcome, detail }: Move): string =>
  `${safeLine(run, 300)}  ${outcome}${detail === undefined ? '' : `: ${safeLine(detail, 500)}`}`;

const fromEnvironment = ({ environment }: Terminal): string | undefined =>
  environment['BELAYER_DEPLOYMENT'] === '' ? undefined : environment['BELAYER_DEPLOYMENT'];

/** @throws WrongUsage  No worker may have that name. */
function namedOf(terminal: Terminal, { deployment }: DeploymentFlags): string | undefined {
  const name = deployment ?? fromEnvironment(terminal);
  if (name !== undefined)
    checkName('The deployment', name, {
      pattern: deploymentName,
      rule: deploymentNameRule,
      charsMax: limits.deploymentNameCharsMax,
    });
  return name;
}

const checkBuildName = (what: string, name: string): void =>
  checkName(what, name, { pattern: buildName, rule: buildNameRule, charsMax: limits.buildIdCharsMax }); // prettier-ignore

function checkName(
  what: string,
  name: string,
  { pattern, rule, charsMax }: { readonly pattern: RegExp; readonly rule: string; readonly charsMax: number }, // prettier-ignore
): void {
  if (pattern.test(name) && name.length <= charsMax) return;
  throw new WrongUsage(
    `${what}, \`${safeLine(name)}\`, cannot be one: a name must be ${rule}, at most ${charsMax} characters.`,
  );
}

function nameOf(terminal: Terminal, flags: DeploymentFlags): string {
  const name = namedOf(terminal, flags);
  if (name !== undefined) return name;
  throw new WrongUsage('Name the deployment: --deployment NAME, or BELAYER_DEPLOYMENT.');
}

const showOne = (terminal: Terminal, { builds }: Deployment, flags: DeploymentFlags): void =>
  show(terminal, builds, flags);

function show(terminal: Terminal, builds: readonly BuildRow[], flags: DeploymentFlags): void {
  if (flags.json === true) {
    for (const build of builds) outJson(terminal, build, 'line');
    return;
  }
  const rows = builds.map((build) => [
    safeLine(build.deployment),
    safeLine(build.buildId),
    build.percent === undefined ? build.state : `${build.state} ${build.percent}%`,
    moment(build.createdAt),
    build.checkedAt === undefined ? '' : moment(build.checkedAt),
  ]);
  terminal.out(`${table(['DEPLOYMENT', 'BUILD', 'STATE', 'FIRST SEEN', 'CHECKED'], rows)}\n`);
}

type Asked = Parameters<Parameters<typeof withConnection>[1]>[0]['parts'];

/** Both servers are asked, and one that leaves in the middle is told like one that was never there. */
const asking = <Result>(
  terminal: Terminal,
  ask: (parts: Asked) => Promise<Result>,
): Promise<Result> =>
  withConnection(terminal, async ({ parts }) => {
    try {
      return await ask(parts);
    } catch (error) {
      if (!isUnreachable(error)) throw error;
      throw new BelayerError(
        failureType.serverUnreachable,
        `Temporal does not answer: ${(error as Error).message}`,
        { cause: error },
      );
    }
  });
