/**
 * Tells a replay what today's code does. Only the replay bundle holds this module (`workers/workflow-bundle.ts`):
 * it emits no command, so a history replays with it and without it alike.
 */
import {
  type ConcludeActivationInput,
  proxySinks,
  type Sinks,
  workflowInfo,
  type WorkflowInterceptors,
} from '@temporalio/workflow';
import type { EntryRef } from '../contracts/agent-run.ts';
import type { Position } from '../contracts/positions.ts';
import { originOf, type RunState } from '../rules/run-state.ts';
import { AgentRun } from './agent-run.ts';

export type WorkflowCommand = ConcludeActivationInput['commands'][number];

export interface ReplaySinks extends Sinks {
  belayerReplay: {
    /** What one activation decided. `taskStartedEventId` names its workflow task. */
    commands(taskStartedEventId: number, commands: readonly WorkflowCommand[]): void;
    /** A call is launched: the state says what the run knew then. */
    launched(taskStartedEventId: number, position: Position, state: RunState): void;
    /** A call that the model asked for has come to its end, and this is what the model will be told. */
    settled(taskStartedEventId: number, position: Position, result: EntryRef): void;
    /** A model's reply was taken: the state says what came of it. */
    replied(position: Position, state: RunState): void;
  };
}

const { belayerReplay } = proxySinks<ReplaySinks>();

const launch = Object.getOwnPropertyDescriptor(AgentRun.prototype, 'launch')
  ?.value as AgentRun['launch'];
AgentRun.prototype.launch = function (position, abortable, work): void {
  belayerReplay.launched(workflowInfo().historyLength, position, this.state);
  launch.call(this, position, abortable, work);
};

const change = Object.getOwnPropertyDescriptor(AgentRun.prototype, 'change')
  ?.value as AgentRun['change'];
AgentRun.prototype.change = function (transition): void {
  const {
    calls: callsBefore,
    transcript: { head },
  } = this.state;
  change.call(this, transition);
  const { calls, transcript } = this.state;
  // Nothing but a reply moves the transcript on.
  if (transcript.head !== head) belayerReplay.replied(this.state.from, this.state);
  if (calls === callsBefore) return;
  for (const call of calls)
    if (call.result !== undefined && !callsBefore.some(({ result }) => result === call.result))
      belayerReplay.settled(workflowInfo().historyLength, originOf(call).position, call.result);
};

export const interceptors = (): WorkflowInterceptors => ({
  internals: [
    {
      concludeActivation(input, next) {
        const concluded = next(input);
        if (concluded.commands.length > 0)
          belayerReplay.commands(workflowInfo().historyLength, concluded.commands);
        return concluded;
      },
    },
  ],
});
