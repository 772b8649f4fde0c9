/** A model call that is answered without a model: claimed, recorded and closed as any other, and nothing is paid. */
import type { CallModelOutput } from '../contracts/agent-run.ts';
import { invariant } from '../contracts/failures.ts';
import type { CloseModelCall } from '../storage/ledger.ts';
import type { ActivityCall } from './activity-call.ts';
import { type CallToClaim, claimUnasked, nothing } from './claim-of-model-call.ts';
import type { ActivityDependencies } from './dependencies.ts';
import type { Judgement } from './judge-reply.ts';
import { answerBefore, modelAnswer } from './model-answer.ts';
import { recordReply } from './record-reply.ts';

export interface UnaskedReply {
  /** The message, as the transcript will hold it. */
  readonly fragment: string;
  readonly judged: Judgement;
  readonly detail: string;
  readonly journal: CloseModelCall['journal'];
  readonly event: CloseModelCall['event'];
}

/** @param reply  Made once the position is claimed. */
export async function answerUnasked(
  deps: ActivityDependencies,
  call: ActivityCall,
  { input, prompt }: CallToClaim,
  reply: (runNo: number) => Promise<UnaskedReply>,
): Promise<CallModelOutput> {
  const { opened, deadlineMs } = await claimUnasked(deps, call, { input, prompt });
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
