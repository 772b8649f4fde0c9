/** What today's code decides while a history is replayed, named and shaped as a history would record it. */
import { canonicalJson } from '../../rules/canonical-json.ts';
import { sha256 } from '../../storage/hash.ts';
import type { WorkflowCommand } from '../../workflows/watch-replay.ts';
import {
  activityFields,
  childFields,
  childPosition,
  positionIn,
  timerFields,
} from './command-fields.ts';
import type { Command, OwnExecution } from './command.ts';
import { toFailure, toSearchAttributes, toValue, toValues } from './plain-values.ts';
import { todaysEnd } from './todays-end.ts';

type Named = Omit<Command, 'task'>;

/** Collects the commands of one execution, activation by activation. */
export class TodaysCommands {
  readonly commands: Command[] = [];
  readonly #own: OwnExecution;
  readonly #run: string;
  readonly #counts = new Map<string, number>();
  readonly #childIds = new Map<number, string>();
  readonly #accepted = new Set<string>();

  constructor(own: OwnExecution, run: string) {
    this.#own = own;
    this.#run = run;
  }

  /** @param replayQueue  The task queue of the replaying worker: it stands for the run's own. */
  add(task: number, commands: readonly WorkflowCommand[], replayQueue: string): void {
    const queue = (name: string | null | undefined): string =>
      name == null || name === '' || name === replayQueue ? this.#own.taskQueue : name;
    for (const command of commands) {
      const named =
        this.#call(command, queue) ??
        this.#child(command, queue) ??
        this.#update(command) ??
        todaysEnd(command, this.#own, queue) ??
        this.#other(command);
      if (named !== undefined) this.commands.push({ ...named, task });
    }
  }

  #count(what: string): number {
    const count = (this.#counts.get(what) ?? 0) + 1;
    this.#counts.set(what, count);
    return count;
  }

  #call(command: WorkflowCommand, queue: Queue): Named | undefined {
    const { scheduleActivity: far, scheduleLocalActivity: near, startTimer, cancelTimer } = command;
    if (far != null) {
      const fields = activityFields({
        ...far,
        type: far.activityType,
        taskQueue: queue(far.taskQueue),
        input: far.arguments,
        header: far.headers,
        metadata: command.userMetadata,
      });
      return at(positionIn((fields['input'] as readonly unknown[])[0]), {
        key: `activity ${far.activityId}`,
        kind: 'activity',
        fields,
      });
    }
    if (near != null) {
      const input = toValues(near.arguments);
      const fields = {
        activityType: near.activityType ?? '',
        input,
        inputHash: sha256(canonicalJson(input[0] ?? null)),
      };
      return at(positionIn(input[0]), {
        key: `activity ${near.activityId}`,
        kind: 'local activity',
        fields,
      });
    }
    if (startTimer != null)
      return {
        key: `timer ${startTimer.seq}`,
        kind: 'timer',
        fields: timerFields(startTimer.startToFireTimeout, command.userMetadata),
      };
    if (cancelTimer != null) {
      const timerId = `${cancelTimer.seq}`;
      return { key: `cancel timer ${timerId}`, kind: 'cancel timer', fields: { timerId } };
    }
    const cancelled = command.requestCancelActivity;
    if (cancelled == null) return undefined;
    const activityId = `${cancelled.seq}`;
    return {
      key: `cancel activity ${activityId}`,
      kind: 'cancel activity',
      fields: { activityId },
    };
  }

  #child(command: WorkflowCommand, queue: Queue): Named | undefined {
    const child = command.startChildWorkflowExecution;
    if (child != null) {
      const workflowId = child.workflowId ?? '';
      this.#childIds.set(child.seq ?? 0, workflowId);
      const fields = childFields({
        ...child,
        type: child.workflowType,
        taskQueue: queue(child.taskQueue),
        input: child.input,
        header: child.headers,
        memo: child.memo,
        metadata: command.userMetadata,
      });
      return at(childPosition(this.#run, workflowId), {
        key: `child ${this.#count('child')}`,
        kind: 'child run',
        fields,
      });
    }
    const cancelled = command.cancelChildWorkflowExecution;
    if (cancelled == null) return undefined;
    const number = cancelled.childWorkflowSeq ?? 0;
    const workflowId = this.#childIds.get(number) ?? '';
    return at(childPosition(this.#run, workflowId), {
      key: `cancel child ${number}`,
      kind: 'cancel child run',
      fields: { workflowId },
    });
  }

  #update({ updateResponse }: WorkflowCommand): Named | undefined {
    if (updateResponse == null) return undefined;
    const { completed, rejected, protocolInstanceId } = updateResponse;
    const id = protocolInstanceId ?? '';
    if (completed != null) {
      const result = toValue(completed);
      return at(positionIn(result), {
        key: `answer ${id}`,
        kind: 'update answered',
        fields: { result, failure: undefined },
      });
    }
    if (rejected != null) {
      const failure = toFailure(rejected);
      return this.#accepted.has(id)
        ? { key: `answer ${id}`, kind: 'update answered', fields: { result: undefined, failure } }
        : { key: `update ${id}`, kind: 'update refused', fields: { failure } };
    }
    this.#accepted.add(id);
    return { key: `update ${id}`, kind: 'update accepted', fields: {} };
  }

  #other(command: WorkflowCommand): Named | undefined {
    const patch = command.setPatchMarker;
    if (patch != null) {
      const fields = { id: patch.patchId ?? '', deprecated: patch.deprecated === true };
      return { key: `patch ${patch.patchId}`, kind: 'patch', fields };
    }
    const upsert = command.upsertWorkflowSearchAttributes;
    if (upsert != null)
      return {
        key: `search attributes ${this.#count('upsert')}`,
        kind: 'search attributes',
        fields: { attributes: toSearchAttributes(upsert.searchAttributes) },
      };
    const what = Object.keys(command).find(
      (name) => !silent.has(name) && command[name as keyof WorkflowCommand] != null,
    );
    if (what === undefined) return undefined;
    return { key: `other ${this.#count('other')}`, kind: 'other', fields: { what } };
  }
}

type Queue = (name: string | null | undefined) => string;

/** No event tells of these, or they belong to the command whose name they are beside. */
const silent = new Set([
  'userMetadata',
  'eventGroupMarkers',
  'respondToQuery',
  'requestCancelLocalActivity',
]);

const at = (position: string | undefined, named: Named): Named =>
  position === undefined ? named : { ...named, position };
