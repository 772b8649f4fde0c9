/** What people said to a run while it ran, in order, and how far the run had come when it heard it. */
import { message } from '../../contracts/messages.ts';
import type { Position } from '../../contracts/positions.ts';
import type { HistoryEvent } from '../replay/command.ts';
import { toNumber, toValue } from '../replay/plain-values.ts';
import type { RunHistory } from '../replay/read-exported.ts';

export interface WordOfPerson {
  readonly name: string;
  readonly given: unknown;
  readonly via: 'update' | 'signal';
  /** Which model call was started before it, from 0; -1 before the first. */
  readonly call: number;
  /** Steps that were finished when that call was started; -1 before the first. */
  readonly step: number;
  /** It was heard while that model call was in flight, or behind one that was given up and never answered. */
  readonly isDuringCall: boolean;
}

export interface ModelLaunch {
  readonly execution: number;
  readonly taskStartedEventId: number;
  readonly position: Position;
  readonly step: number;
  readonly isAnswered: boolean;
}

/** Decisions on requests are found by what they are about, not by when they came. */
const decisions: readonly string[] = [message.approve, message.deny, message.answer];

export function wordsOfPeople(
  { executions }: RunHistory,
  launches: readonly ModelLaunch[],
): readonly WordOfPerson[] {
  return executions.flatMap(({ history }, index) => {
    const events = history.events ?? [];
    const ends = callEnds(events);
    const started = events
      .filter((event) => event.workflowTaskStartedEventAttributes != null)
      .map(({ eventId }) => toNumber(eventId));
    return events.flatMap((event): WordOfPerson[] => {
      const word = wordIn(event);
      if (word === undefined || decisions.includes(word.name)) return [];
      const id = toNumber(event.eventId);
      // A signal is heard in the task after it, an update is written down by the task that heard it.
      const task =
        (word.via === 'signal'
          ? started.find((each) => each > id)
          : started.findLast((each) => each < id)) ?? Infinity;
      const call = launches.findLastIndex(
        (launch) =>
          launch.execution < index + 1 ||
          (launch.execution === index + 1 && launch.taskStartedEventId < task),
      );
      const before = launches[call];
      const endedAt = before?.execution === index + 1 ? ends.get(before.position) : undefined;
      const isDuringCall = before?.isAnswered === false || (endedAt !== undefined && endedAt > id);
      return [{ ...word, call, step: before?.step ?? -1, isDuringCall }];
    });
  });
}

function wordIn(event: HistoryEvent): Pick<WordOfPerson, 'name' | 'given' | 'via'> | undefined {
  const signal = event.workflowExecutionSignaledEventAttributes;
  if (signal != null)
    return {
      name: signal.signalName ?? '',
      given: toValue(signal.input?.payloads?.[0]),
      via: 'signal',
    };
  const update = event.workflowExecutionUpdateAcceptedEventAttributes?.acceptedRequest?.input;
  if (update == null) return undefined;
  return { name: update.name ?? '', given: toValue(update.args?.payloads?.[0]), via: 'update' };
}

/** Events that end calls on the queue, by position. */
function callEnds(events: readonly HistoryEvent[]): ReadonlyMap<Position, number> {
  const positions = new Map<number, Position>();
  const ends = new Map<Position, number>();
  for (const event of events) {
    const scheduled = event.activityTaskScheduledEventAttributes;
    if (scheduled != null) {
      const input = toValue(scheduled.input?.payloads?.[0]) as { readonly position?: Position };
      if (typeof input?.position === 'string')
        positions.set(toNumber(event.eventId), input.position);
    }
    const ended =
      event.activityTaskCompletedEventAttributes ??
      event.activityTaskFailedEventAttributes ??
      event.activityTaskTimedOutEventAttributes ??
      event.activityTaskCanceledEventAttributes;
    const position = ended == null ? undefined : positions.get(toNumber(ended.scheduledEventId));
    if (position !== undefined) ends.set(position, toNumber(event.eventId));
  }
  return ends;
}
