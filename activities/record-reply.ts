/** A model's reply becomes part of the run: judged, appended to the transcript, journalled and settled. */
import type {
  CallModelInput,
  CallModelOutput,
  Spent,
  TranscriptHead,
} from '../contracts/agent-run.ts';
import { untilStored } from '../storage/database.ts';
import { chainHead, sha256 } from '../storage/hash.ts';
import type { CloseModelCall, OpenedModelCall } from '../storage/ledger.ts';
import type { ActivityCall } from './activity-call.ts';
import type { ActivityDependencies } from './dependencies.ts';
import type { Judgement } from './judge-reply.ts';
import { askedFor } from './model-answer.ts';
import { overtaken } from './overtaken.ts';
import type { PreparedPrompt } from './prepare-prompt.ts';

export interface ReplyToRecord {
  readonly call: ActivityCall;
  readonly input: CallModelInput;
  readonly opened: OpenedModelCall;
  readonly prompt: PreparedPrompt;
  readonly judged: Judgement;
  /** The message, as the transcript will hold it. */
  readonly fragment: string;
  /** Of the whole prompt with this message, where they are known. */
  readonly tokens: number | undefined;
  readonly cost: Spent;
  /** What its workflow is answered. */
  readonly answer: (transcript: TranscriptHead) => CallModelOutput;
  readonly detail?: string;
  readonly journal: CloseModelCall['journal'];
  /** Beside what every reply says of itself. */
  readonly event: CloseModelCall['event'];
  readonly deadlineMs: number;
}

export interface RecordedReply {
  readonly answer: CallModelOutput;
  /** Absent where the reply is rejected, or where another attempt's reply, or another position's, stands there: that one is the answer. */
  readonly transcript?: TranscriptHead;
}

/** @throws AttemptOvertaken  A later attempt holds the position, and has not ended. */
export async function recordReply(
  deps: ActivityDependencies,
  reply: ReplyToRecord,
): Promise<RecordedReply> {
  const { call, input, opened, judged, fragment, cost, detail } = reply;
  const { after } = reply.prompt;
  const fragmentHash = sha256(fragment);
  const transcript: TranscriptHead = {
    chain: input.transcript.chain,
    length: after.length + 1,
    head: chainHead(after.head, fragmentHash),
    bytes: after.bytes + Buffer.byteLength(fragment) + 1,
    ...(reply.tokens === undefined ? {} : { tokens: reply.tokens }),
  };
  const answer = reply.answer(transcript);
  const closing: CloseModelCall = {
    runNo: opened.run_no,
    position: input.position,
    attempt: opened.attempt,
    token: call.token,
    outcome: 'ok',
    ...(detail === undefined ? {} : { detail }),
    reply: {
      answer,
      fragment,
      fragmentHash,
      ...(judged.kind === 'final' ? { output: judged.text } : {}),
      chain: transcript.chain,
      seq: transcript.length - 1,
      // What is rejected is kept with its call, and no later prompt holds it.
      ...(judged.kind === 'rejected' ? {} : { head: transcript.head }),
    },
    ...cost,
    journal: { ...reply.journal, chain: transcript.chain, length: after.length },
    event: {
      ...reply.event,
      model: input.model,
      attempt: opened.attempt,
      costMicroUsd: cost.costMicroUsd,
      outcome: judged.kind,
      calls: askedFor(judged),
    },
  };
  const closed = await untilStored(() => deps.ledger.closeModelCall(closing), {
    deadlineMs: reply.deadlineMs,
  });
  if (closed.verdict === 'closed')
    return judged.kind === 'rejected' ? { answer } : { answer, transcript };
  if (closed.verdict === 'conflict') return { answer: { kind: 'conflict' } };
  if (closed.answer !== null) return { answer: closed.answer };
  throw overtaken(input.position);
}
