/**
 * A model call whose reply is on record before it is made: in a fork, what its parent was told, or what
 * whoever forked put in its place. Claimed, judged and closed as any other; no provider is asked, nothing is paid.
 */
import type { CallModelInput, CallModelOutput, TranscriptHead } from '../contracts/agent-run.ts';
import { invariant } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { readReply } from '../rules/render-message.ts';
import { untilStored } from '../storage/database.ts';
import { readGiven } from '../storage/forks/given.ts';
import { chainHead, sha256 } from '../storage/hash.ts';
import { runUnknown } from '../storage/ledger.ts';
import type { ActivityCall } from './activity-call.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { findAgent } from './find-code.ts';
import { judgeReply } from './judge-reply.ts';
import { askedFor, modelAnswer } from './model-answer.ts';
import { overtaken } from './overtaken.ts';
import { preparePrompt } from './prepare-prompt.ts';

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
  switch (opened.verdict) {
    case 'finished':
      return opened.answer as CallModelOutput;
    case 'conflict':
      return { kind: 'conflict' };
    case 'halted':
      return { kind: 'halted', reason: opened.detail ?? '' };
    case 'no-run':
      throw runUnknown(call.run);
    case 'budget':
    case 'claimed':
      break;
    default:
      return opened.verdict satisfies never;
  }
  invariant(opened.verdict === 'claimed', 'a reservation of nothing fits under every ceiling');
  const fragment = await readGiven(deps.database, opened.run_no, position);
  const judged = await judgeReply(agent, readReply(fragment));
  const fragmentHash = sha256(fragment);
  const bytes = Buffer.byteLength(fragment);
  const { after } = prompt;
  const transcript: TranscriptHead = {
    chain: input.transcript.chain,
    length: after.length + 1,
    head: chainHead(after.head, fragmentHash),
    bytes: after.bytes + bytes + 1,
    // No provider counted it: one token for each byte of it is never too few.
    ...(input.transcript.tokens === undefined ? {} : { tokens: prompt.tokensMax + bytes }),
  };
  const answer = modelAnswer(judged, transcript, nothing);
  const closed = await untilStored(
    () =>
      deps.ledger.closeModelCall({
        runNo: opened.run_no,
        position,
        attempt: opened.attempt,
        token: call.token,
        outcome: 'ok',
        detail: 'The reply was given: no model was asked.',
        reply: {
          answer,
          fragment,
          fragmentHash,
          ...(judged.kind === 'final' ? { output: judged.text } : {}),
          chain: transcript.chain,
          seq: transcript.length - 1,
          head: transcript.head,
        },
        ...nothing,
        journal: { finish_reason: 'given', chain: transcript.chain, length: after.length },
        event: {
          model: input.model,
          attempt: opened.attempt,
          costMicroUsd: 0,
          inputTokens: 0,
          outputTokens: 0,
          latencyMs: 0,
          given: true,
          outcome: judged.kind,
          calls: askedFor(judged),
        },
      }),
    { deadlineMs },
  );
  if (closed.verdict === 'conflict') return { kind: 'conflict' };
  if (closed.verdict !== 'late') return answer;
  if (closed.answer !== null) return closed.answer;
  throw overtaken(position);
}
