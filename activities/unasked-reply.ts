/** A model call that is answered without a model: claimed, recorded and closed as any other, and nothing is paid. */
import type { CallModelInput, CallModelOutput } from '../contracts/agent-run.ts';
import { invariant } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { untilStored } from '../storage/database.ts';
import type { CloseModelCall } from '../storage/ledger.ts';
import type { ActivityCall } from './activity-call.ts';
import type { ActivityDependencies } from './dependencies.ts';
import type { Judgement } from './judge-reply.ts';
import { answerBefore, modelAnswer } from './model-answer.ts';
import type { PreparedPrompt } from './prepare-prompt.ts';
import { recordReply } from './record-reply.ts';

export interface UnaskedReply {
  /** The message, as the transcript will hold it. */
  readonly fragment: string;
  readonly judged: Judgement;
  readonly detail: string;
  readonly journal: CloseModelCall['journal'];
  readonly event: CloseModelCall['event'];
}

const nothing = { costMicroUsd: 0, tokens: 0 };

/** @param reply  Made once the position is claimed. */
export async function answerUnasked(
  deps: ActivityDependencies,
  call: ActivityCall,
  { input, prompt }: { readonly input: CallModelInput; readonly prompt: PreparedPrompt },
  reply: (runNo: number) => Promise<UnaskedReply>,
): Promise<CallModelOutput> {
  const deadlineMs = Date.now() + (input.near === true ? 0 : limits.storageHoldMsMax);
  const opened = await untilStored(
    () =>
      deps.ledger.openModelCall({
        run: call.run,
        position: input.position,
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
  const { fragment, judged, detail, journal, event } = await reply(opened.run_no);
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
    detail,
    journal,
    event: { inputTokens: 0, outputTokens: 0, latencyMs: 0, ...event },
    deadlineMs,
  });
  return answer;
}
