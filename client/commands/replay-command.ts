import { differenceText } from '../../testing/replay/difference-text.ts';
import { exitCode, WrongUsage } from './exit-codes.ts';
import { namingFile, readGivenFile } from './given-file.ts';
import { historyOfRun } from '../recordings/history-of-run.ts';
import { type Replayed, withStrictReplay } from './load-replay.ts';
import { replayMany } from './replay-many.ts';
import { safeText } from './safe-text.ts';
import { outJson, type Terminal } from './terminal.ts';
import { withConnection } from './with-connection.ts';

export interface ReplayFlags {
  readonly file?: string;
  readonly since?: string;
  readonly sample?: number;
  readonly agent?: string;
  readonly gate?: true;
  readonly last?: number;
  readonly junit?: string;
  readonly minutes?: number;
  readonly cores?: number;
  readonly allowEmpty?: true;
  readonly json?: true;
}

/** Ends with 1 when today's code would have done anything else than what a history says. */
export async function replayCommand(
  terminal: Terminal,
  run: string | undefined,
  flags: ReplayFlags,
): Promise<number> {
  checkUsage(run, flags);
  if (run === undefined && flags.file === undefined) return replayMany(terminal, flags);
  const { file = '' } = flags;
  const given = run === undefined ? readGivenFile(terminal, file).toString('utf8') : undefined;
  const history = given ?? (await fetched(terminal, run ?? ''));
  const replaying = withStrictReplay((strict) => strict.replay(history));
  const replayed = await (given === undefined ? replaying : namingFile(terminal, file, replaying));
  if (flags.json === true) outJson(terminal, replayed, 'document');
  else terminal.out(`${safeText(replayedText(replayed))}\n`);
  return replayed.difference === undefined ? exitCode.done : exitCode.failed;
}

function checkUsage(run: string | undefined, flags: ReplayFlags): void {
  const named = [run, flags.file, flags.since, flags.gate].filter((one) => one !== undefined);
  if (named.length !== 1)
    throw new WrongUsage('Give one of: a run, --file, --since, or --gate with --last.');
  if (flags.gate === true && flags.last === undefined)
    throw new WrongUsage('--gate needs --last N: how many of the newest runs are replayed.');
  const isMany = flags.since !== undefined || flags.gate === true;
  const only = { sample: '--sample', agent: '--agent', last: '--last', junit: '--junit', minutes: '--minutes', cores: '--cores', allowEmpty: '--allow-empty' } as const; // prettier-ignore
  for (const [name, option] of Object.entries(only))
    if (!isMany && flags[name as keyof typeof only] !== undefined)
      throw new WrongUsage(`${option} is for --since and --gate.`);
}

const fetched = (terminal: Terminal, run: string): Promise<object> =>
  withConnection(terminal, async ({ belayer, parts }) => {
    await belayer.run(run);
    return historyOfRun(parts, run);
  });

function replayedText(replayed: Replayed): string {
  const { run, runs, executions, commands, events, redacted, difference } = replayed;
  const note =
    redacted === undefined
      ? ''
      : `\n${counted(redacted.values, 'value')} in payloads of ${counted(redacted.executions, 'execution')} ${redacted.values === 1 ? 'was' : 'were'} redacted: those payloads are compared as they stand in the file.`;
  if (difference !== undefined) return `${differenceText(difference)}${note}`;
  const withAgents = runs === 1 ? '' : ` with ${counted(runs - 1, 'run')} of sub-agents`;
  return `Run ${run}${withAgents} replays: ${counted(executions, 'execution')}, ${counted(events, 'event')}, ${counted(commands, 'command')} compared.${note}`;
}

const counted = (count: number, what: string): string =>
  `${count} ${what}${count === 1 ? '' : 's'}`;
