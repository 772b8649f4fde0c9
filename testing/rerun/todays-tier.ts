/**
 * Which model today's route would begin a step with, where a rerun follows its recording.
 *
 * The history says what the route said then; here it is asked again, about the same: what the state knew when it was
 * routed is put together from the moment before, since a call that has started has forgotten it.
 */
import { toolPosition } from '../../contracts/positions.ts';
import { modelIndexNow, routeFacts } from '../../rules/choose-model.ts';
import { pendingBytes, type RunState } from '../../rules/run-state.ts';
import { afterRouted } from '../../rules/transitions.ts';
import type { Rerunning } from './rerunning.ts';

/** @param before  What came of the reply before, where there was one. */
export async function todaysModelIndex(
  rerun: Rerunning,
  state: RunState,
  position: string,
  before: RunState | undefined,
): Promise<number> {
  const recorded = modelIndexNow(state);
  const input = rerun.today.input(state.input);
  const isShared = before === undefined && state.input.carried !== undefined;
  if (input.route !== true || isShared || position.includes('/') || state.degradedTo !== undefined)
    return recorded;
  const { transcript, calls } = before ?? { transcript: state.transcript, calls: [] };
  const asked = {
    ...state,
    input,
    transcript,
    calls: calls.map((call, index) => {
      const at = toolPosition(state.step, index);
      const result = state.entries.find((entry) => entry.at.split('/')[0] === at);
      const answer = result === undefined ? undefined : rerun.recorded.calls.get(result.at)?.answer;
      const isFailed = answer !== undefined && 'status' in answer && answer.status === 'failed';
      return {
        ...call,
        ...(result === undefined ? {} : { result }),
        ...(isFailed ? { failed: true as const } : {}),
      };
    }),
  };
  const { choice: _, ...unrouted } = asked;
  const facts = routeFacts(unrouted, pendingBytes({ ...state, calls: [] }));
  const routed = afterRouted(unrouted, await rerun.route(`${position}/route`, facts));
  return modelIndexNow(routed);
}
