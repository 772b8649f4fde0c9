/**
 * A model call whose reply is on record before it is made: in a fork, what its parent was told, or what
 * whoever forked put in its place. Taken as it is: no provider is asked, and no check of the application either.
 */
import type { CallModelInput, CallModelOutput } from '../contracts/agent-run.ts';
import { readReply } from '../rules/render-message.ts';
import { readGiven } from '../storage/forks/given.ts';
import type { ActivityCall } from './activity-call.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { findAgent } from './find-code.ts';
import { judgeReply } from './judge-reply.ts';
import { preparePrompt } from './prepare-prompt.ts';
import { answerUnasked } from './unasked-reply.ts';

export async function giveReply(
  deps: ActivityDependencies,
  call: ActivityCall,
  input: CallModelInput,
): Promise<CallModelOutput> {
  const definition = await deps.definitionOf(input.definition);
  const agent = findAgent(deps, definition);
  const prompt = await preparePrompt(deps, call.run, input, definition);
  return answerUnasked(deps, call, { input, prompt }, async (runNo) => {
    const fragment = await readGiven(deps.database, runNo, input.position);
    return {
      fragment,
      judged: await judgeReply(agent, readReply(fragment)),
      detail: 'The reply was given: no model was asked.',
      journal: { finish_reason: 'given' },
      event: { given: true },
    };
  });
}
