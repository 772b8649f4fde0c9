/**
 * The agent's `stopWhen`, looked at before a model is asked with the results of a step. Where it ends the run the call
 * is not made: nothing is reserved and nothing sent, and its output stands in the transcript where the reply would.
 */
import type { CallModelInput, CallModelOutput } from '../contracts/agent-run.ts';
import { stepOf } from '../contracts/positions.ts';
import type { AnyAgent } from '../definitions/internal.ts';
import { toolErrorMessage } from '../rules/render-message.ts';
import type { StoredDefinition } from '../storage/definitions.ts';
import { lastModelCost } from '../storage/last-model-cost.ts';
import { readCallFragment, readFragments } from '../storage/transcript.ts';
import type { ActivityCall } from './activity-call.ts';
import { askStopWhen, looksBeforeCalls, resultsOf } from './deciding/short-circuit.ts';
import type { ActivityDependencies } from './dependencies.ts';
import type { PreparedPrompt } from './prepare-prompt.ts';
import { answerUnasked } from './unasked-reply.ts';

/** What names such an attempt in the journal, in place of a provider's word. */
export const shortCircuit = 'short-circuit';

/**
 * @returns undefined where the call is to be made.
 * @throws FunctionFailed  Before anything was claimed.
 */
export async function stopBeforeCall(
  deps: ActivityDependencies,
  call: ActivityCall,
  made: {
    readonly input: CallModelInput;
    readonly definition: StoredDefinition;
    readonly agent: AnyAgent;
    readonly prompt: PreparedPrompt;
    /** The run's parsed input. */
    readonly given: unknown;
  },
): Promise<CallModelOutput | undefined> {
  const { input, definition, agent, prompt, given } = made;
  if (!looksBeforeCalls(definition.frozen)) return undefined;
  const results = await readResults(deps, call.run, input);
  if (results === undefined) return undefined;
  const stop = await askStopWhen(agent, {
    input: given,
    // Of the step whose results these are.
    step: stepOf(input.position) - 1,
    results,
    calls: [],
    text: '',
  });
  if (stop === undefined) return undefined;
  const { fragment, text, because } = stop;
  return answerUnasked(deps, call, { input, prompt }, async () => ({
    fragment,
    judged: { kind: 'final', text },
    detail: `No model was asked: ${because}`,
    journal: {
      finish_reason: shortCircuit,
      // An estimate: what the last call cost.
      saved: { [shortCircuit]: await lastModelCost(deps.database, call.run) },
    },
    event: { shortCircuit: because },
  }));
}

async function readResults(deps: ActivityDependencies, run: string, input: CallModelInput) {
  const { entries, transcript } = input;
  if (
    entries.length === 0 ||
    entries.some((entry) => 'say' in entry || entry.at.startsWith('said/'))
  )
    return undefined;
  const [asking] = await readFragments(deps.database, run, {
    chain: transcript.chain,
    from: transcript.length - 1,
    length: transcript.length,
  });
  const told = await Promise.all(
    entries.map(
      async (entry) =>
        ('error' in entry ? toolErrorMessage(entry.id, entry.error) : undefined) ??
        ('hash' in entry ? deps.transcripts.fragment(entry.hash) : undefined) ??
        readCallFragment(deps.database, run, entry.at),
    ),
  );
  return asking === undefined ? undefined : resultsOf(asking, told);
}
