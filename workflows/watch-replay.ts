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
import type { Position } from '../contracts/positions.ts';
import type { RunState } from '../rules/run-state.ts';
import { AgentRun } from './agent-run.ts';

export type WorkflowCommand = ConcludeActivationInput['commands'][number];

export interface ReplaySinks extends Sinks {
  belayerReplay: {
    /** What one activation decided. `taskStartedEventId` names its workflow task. */
    commands(taskStartedEventId: number, commands: readonly WorkflowCommand[]): void;
    /** A call is launched: the state says what the run knew then. */
    launched(taskStartedEventId: number, position: Position, state: RunState): void;
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
  const { head } = this.state.transcript;
  change.call(this, transition);
  // Nothing but a reply moves the transcript on.
  if (this.state.transcript.head !== head) belayerReplay.replied(this.state.from, this.state);
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
