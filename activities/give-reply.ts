/**
 * A model call whose reply is on record before it is made: in a fork, what its parent was told, or what
 * whoever forked put in its place. Claimed, judged and closed as any other; no provider is asked, nothing is paid.
 */
import type { CallModelInput, CallModelOutput } from '../contracts/agent-run.ts';
import { invariant } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { readReply } from '../rules/render-message.ts';
import { untilStored } from '../storage/database.ts';
import { readGiven } from '../storage/forks/given.ts';
import type { ActivityCall } from './activity-call.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { findAgent } from './find-code.ts';
import { judgeReply } from './judge-reply.ts';
import { answerBefore, modelAnswer } from './model-answer.ts';
import { preparePrompt } from './prepare-prompt.ts';
import { recordReply } from './record-reply.ts';

const nothing = { costMicroUsd: 0, tokens: 0 };

export async function giveReply(
  deps: ActivityDependencies,
  call: ActivityCall,
  input: CallModelInput,
): Promise<CallModelOutput> {
  const { position } = input;
  const definition = await deps.definitionOf(input.definition);
  const agent = findAgent(deps, definition);
  const prompt = await preparePrompt(deps, call.run, input, definition);
  const deadlineMs = Date.now() + (input.near === true ? 0 : limits.storageHoldMsMax);
  const opened = await untilStored(
    () =>
      deps.ledger.openModelCall({
        run: call.run,
        position,
        token: call.token,
        model: input.model,
        requestHash: prompt.requestHash,
        chain: input.transcript.chain,
        from: input.transcript.length,
        entries: prompt.entries,
        // Nothing is asked, so nothing is set aside.
        reserveMicroUsd: 0,
        reserveTokens: 0,
        sendMs: input.timeoutMs,
      }),
    { deadlineMs, signal: call.cancelled },
  );
  const known = answerBefore(opened, call.run);
  if (known !== undefined) return known;
  invariant(opened.verdict === 'claimed', 'a reservation of nothing fits under every ceiling');
  const fragment = await readGiven(deps.database, opened.run_no, position);
  const judged = await judgeReply(agent, readReply(fragment));
  const { answer } = await recordReply(deps, {
    call,
    input,
    opened,
    prompt,
    judged,
    fragment,
    // No provider counted it: one token for each byte of it is never too few.
    tokens:
      input.transcript.tokens === undefined
        ? undefined
        : prompt.tokensMax + Buffer.byteLength(fragment),
    cost: nothing,
    answer: (transcript) => modelAnswer(judged, transcript, nothing),
    detail: 'The reply was given: no model was asked.',
    journal: { finish_reason: 'given' },
    event: { inputTokens: 0, outputTokens: 0, latencyMs: 0, given: true },
    deadlineMs,
  });
  return answer;
}
