/**
 * The first command that today's code would not have made as it was recorded.
 *
 * 1. Commands are paired by the ids that Temporal gives them, so that one that is missing does not
 *    make all that follow it differ. Their order is compared by Temporal's own replay.
 * 2. What was started and taken back within one workflow task leaves no event, and neither does a
 *    cancellation that comes too late.
 * 3. What today's code decides in a workflow task that the history does not complete is not compared.
 */
import type { Command, RecordedCommand } from './command.ts';
import type { ReplayDifference } from './difference.ts';
import { firstDifference } from './first-difference.ts';
import type { RecordedExecution } from './recorded-commands.ts';

type Found = Omit<ReplayDifference, 'run' | 'execution' | 'runId'>;
type Change = Omit<Found, 'eventId' | 'position' | 'positionIs' | 'temporal'>;

/** @param refused  What Temporal's own replay says, where it does not accept the history. */
export function compareCommands(
  recorded: RecordedExecution,
  todays: readonly Command[],
  refused: string | undefined,
): Found | undefined {
  const todayByKey = new Map(todays.toReversed().map((command) => [command.key, command]));
  const extras = extrasOf(recorded, todays, refused !== undefined);
  const lastTask = todays.at(-1)?.task ?? 0;
  let before: { readonly position?: string; readonly eventId: number } = {
    eventId: 0,
    ...positionOf(recorded.behind),
  };
  const found = (change: Change, eventId: number, own: string | undefined): Found => ({
    ...change,
    eventId,
    ...(own !== undefined
      ? { position: own, positionIs: 'its-own' }
      : before.position !== undefined
        ? { position: before.position, positionIs: 'before' }
        : {}),
    ...(refused === undefined ? {} : { temporal: refused }),
  });
  const foundExtra = (extra: Command): Found =>
    found(
      { what: 'extra', command: nameOf(extra), today: extra.fields },
      Math.max(before.eventId, extra.task ?? 0),
      extra.position,
    );

  for (const command of recorded.commands) {
    const today = todayByKey.get(command.key);
    const own = command.position ?? today?.position;
    const earlier = extras.find(
      ({ task = 0 }) => command.task !== undefined && task < command.task,
    );
    if (earlier !== undefined) return foundExtra(earlier);
    if (today !== undefined) {
      const change = changeOf(command, today);
      if (change !== undefined) return found(change, command.eventId, own);
    } else if (refused === undefined || (command.task !== undefined && command.task <= lastTask)) {
      const [instead] = extras;
      const change: Change =
        instead === undefined
          ? { what: 'missing', command: nameOf(command), recorded: command.fields }
          : otherCommand(command, instead);
      return found(change, command.eventId, own ?? instead?.position);
    } else {
      // Temporal stopped before here: what it says is the difference.
      return found(
        { what: 'refused', command: nameOf(command), recorded: command.fields },
        command.eventId,
        own,
      );
    }
    before = { eventId: command.eventId, ...positionOf(own ?? before.position) };
  }
  if (extras[0] !== undefined) return foundExtra(extras[0]);
  if (refused === undefined) return undefined;
  return found({ what: 'refused', command: 'the end of the history' }, before.eventId, undefined);
}

const positionOf = (position: string | undefined) => (position === undefined ? {} : { position });

function changeOf(recorded: RecordedCommand, today: Command): Change | undefined {
  if (recorded.kind !== today.kind) return otherCommand(recorded, today);
  // A local activity's marker holds less than its command: what is recorded is compared.
  for (const [name, value] of Object.entries(recorded.fields)) {
    const difference = firstDifference(value, today.fields[name], name);
    if (difference === undefined) continue;
    const { path } = difference;
    const [input] = (today.fields['input'] ?? []) as readonly unknown[];
    // A hash tells nobody anything: what it is of is shown beside it.
    const shown = path === 'inputHash' ? { hash: difference.today, of: input } : difference.today;
    return {
      what: 'value',
      command: nameOf(recorded),
      path,
      recorded: difference.recorded,
      today: shown,
    };
  }
  return undefined;
}

const otherCommand = (recorded: Command, today: Command): Change => ({
  what: 'other-command',
  command: nameOf(recorded),
  recorded: recorded.fields,
  today: { command: nameOf(today), ...today.fields },
});

/** `activity callModel`, `timer`, `child run agentRun`. */
export function nameOf({ kind, fields }: Command): string {
  const name = fields['activityType'] ?? fields['workflowType'] ?? fields['id'] ?? fields['what'];
  return typeof name === 'string' && name !== '' ? `${kind} ${name}` : kind;
}

const cancellations = new Set(['cancel activity', 'cancel timer', 'cancel child run']);

/** What today's code does and the history does not hold, though it would have to. */
function extrasOf(
  recorded: RecordedExecution,
  todays: readonly Command[],
  isRefused: boolean,
): readonly Command[] {
  const keys = new Set(recorded.commands.map(({ key }) => key));
  const end = todays.findIndex(({ key }) => key === 'end');
  const made = end === -1 ? todays : todays.slice(0, end + 1);
  const taskByKey = new Map(made.map(({ key, task }) => [key, task]));
  return made.filter((command) => {
    if (keys.has(command.key)) return false;
    if (command.task !== undefined && !recorded.completedTasks.has(command.task)) return false;
    if (taskByKey.get(`cancel ${command.key}`) === command.task) return false;
    if (cancellations.has(command.kind))
      return isRefused && taskByKey.get(command.key.slice('cancel '.length)) !== command.task;
    // Its marker comes when it ends, which it may not have done yet.
    return command.kind !== 'local activity' || recorded.endedItself;
  });
}
