import { expect, test } from 'vitest';
import type { Command, RecordedCommand } from '../../testing/replay/command.ts';
import { compareCommands } from '../../testing/replay/compare-commands.ts';
import type { RecordedExecution } from '../../testing/replay/recorded-commands.ts';

const own = {
  workflowType: 'agentRun',
  taskQueue: 'belayer',
  workflowRunTimeoutMs: 0,
  workflowTaskTimeoutMs: 7_000,
  memo: {},
  searchAttributes: {},
};
const call = (id: number, task: number, more: Partial<Command> = {}): Command => ({
  key: `activity ${id}`,
  kind: 'activity',
  fields: { activityType: 'runTool', input: [{ id }] },
  task,
  position: `1.${id}`,
  ...more,
});
const near = (id: number, task: number): Command =>
  call(id, task, { kind: 'local activity', fields: { activityType: 'noteEvent' } });
const timer = (id: number, task: number): Command => ({
  key: `timer ${id}`,
  kind: 'timer',
  fields: { durationMs: 1_000 },
  task,
});
const cancelTimer = (id: number, task: number): Command => ({
  key: `cancel timer ${id}`,
  kind: 'cancel timer',
  fields: { timerId: `${id}` },
  task,
});
const end = (task: number): Command => ({
  key: 'end',
  kind: 'run completed',
  fields: { result: 1 },
  task,
});

/** As a history with the tasks that started at events 3, 13, 23, ...; the last may be unfinished. */
function recorded(commands: readonly Command[], tasks: readonly number[]): RecordedExecution {
  const withEvents = commands.map((command, index): RecordedCommand => ({
    ...command,
    eventId: (command.task ?? 0) + 2 + index,
  }));
  return {
    own,
    commands: withEvents,
    completedTasks: new Set(tasks),
    endedItself: commands.some(({ key }) => key === 'end'),
  };
}
const compare = (
  history: RecordedExecution,
  today: readonly Command[],
  refused?: string,
): ReturnType<typeof compareCommands> => compareCommands(history, today, refused);

test('the same commands are no difference', () => {
  const commands = [call(1, 3), timer(1, 3), end(13)];
  expect(compare(recorded(commands, [3, 13]), commands)).toBeUndefined();
});

test('a call that today’s code does not make any more is missing', () => {
  const history = recorded([call(1, 3), call(2, 3), end(13)], [3, 13]);
  expect(compare(history, [call(1, 3), end(13)])).toMatchObject({
    what: 'missing',
    command: 'activity runTool',
    position: '1.2',
  });
});

test('a call that today’s code makes in addition is found in its task, before what follows', () => {
  const history = recorded([call(1, 3), call(2, 13), end(23)], [3, 13, 23]);
  const today = [call(1, 3), near(9, 3), call(2, 13, { fields: { activityType: 'other' } })];
  expect(compare(history, today)).toMatchObject({
    what: 'extra',
    command: 'local activity noteEvent',
    eventId: 5,
    position: '1.9',
  });
});

test('a timer in place of a call is told as one difference', () => {
  const history = recorded([call(1, 3), end(13)], [3, 13]);
  expect(compare(history, [timer(1, 3), end(13)])).toMatchObject({
    what: 'other-command',
    command: 'activity runTool',
    today: { command: 'timer' },
    position: '1.1',
  });
});

test('a call that was near and is far today is told by its kind', () => {
  const history = recorded([near(1, 3), end(13)], [3, 13]);
  expect(compare(history, [call(1, 3), end(13)])).toMatchObject({ what: 'other-command' });
});

test('what a history does not complete is not compared', () => {
  const history = recorded([call(1, 3)], [3]);
  expect(compare(history, [call(1, 3), call(2, 13), end(13)])).toBeUndefined();
});

test('a near call of a run that goes on has no marker yet; of one that ended it would have', () => {
  const today = [call(1, 3), near(2, 3)];
  expect(compare(recorded([call(1, 3)], [3]), today)).toBeUndefined();
  expect(compare(recorded([call(1, 3), end(3)], [3]), [...today, end(3)])).toMatchObject({
    what: 'extra',
  });
});

test('a timer that is started and taken back in one task leaves no event', () => {
  const history = recorded([call(1, 3), end(13)], [3, 13]);
  const today = [call(1, 3), timer(1, 13), cancelTimer(1, 13), end(13)];
  expect(compare(history, today)).toBeUndefined();
  const across = [call(1, 3), timer(1, 3), cancelTimer(1, 13), end(13)];
  expect(compare(history, across)).toMatchObject({ what: 'extra', command: 'timer' });
});

test('what Temporal refuses is told where it stopped, with what it says', () => {
  const history = recorded([call(1, 3), call(2, 13), end(23)], [3, 13, 23]);
  expect(compare(history, [call(1, 3)], 'Nondeterminism')).toMatchObject({
    what: 'refused',
    command: 'activity runTool',
    position: '1.2',
    temporal: 'Nondeterminism',
  });
  const today = [call(1, 3), timer(1, 13)];
  expect(compare(history, today, 'Nondeterminism')).toMatchObject({
    what: 'other-command',
    position: '1.2',
    temporal: 'Nondeterminism',
  });
});
