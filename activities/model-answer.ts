/** What a judged reply is to its workflow, and to those who watch. */
import type { CallModelOutput, Spent, TranscriptHead } from '../contracts/agent-run.ts';
import { sha256 } from '../storage/hash.ts';
import { type OpenedModelCall, runUnknown } from '../storage/ledger.ts';
import type { Judgement } from './judge-reply.ts';

/**
 * What is known before an attempt: the reply that the position holds, or why nothing is sent.
 *
 * @returns undefined where an attempt was claimed, or no budget was found for it.
 * @throws RunUnknown
 */
export function answerBefore(
  { verdict, answer, detail }: OpenedModelCall,
  run: string,
): CallModelOutput | undefined {
  switch (verdict) {
    case 'finished':
      return answer as CallModelOutput;
    case 'conflict':
      return { kind: 'conflict' };
    case 'halted':
      return { kind: 'halted', reason: detail ?? '' };
    case 'no-run':
      throw runUnknown(run);
    case 'budget':
    case 'claimed':
      return undefined;
    default:
      return verdict satisfies never;
  }
}

/** What a call that was answered is to its workflow. */
export type ModelAnswer = Extract<CallModelOutput, { readonly cost: Spent }>;

export function modelAnswer(
  judged: Judgement,
  transcript: TranscriptHead,
  cost: Spent,
): ModelAnswer {
  switch (judged.kind) {
    case 'calls':
      return { kind: 'calls', transcript, cost, calls: judged.calls };
    case 'final':
      return {
        kind: 'final',
        transcript,
        cost,
        output: sha256(judged.text),
        outputBytes: Buffer.byteLength(judged.text),
      };
    case 'misfit':
      return { kind: 'misfit', transcript, cost, problem: judged.problem };
    case 'refused':
      return { kind: 'refused', transcript, cost };
    default:
      return judged satisfies never;
  }
}

/** For the event of a reply: what it asks for, and what of that can never run. */
export const askedFor = (judged: Judgement): readonly Readonly<Record<string, string>>[] =>
  judged.kind === 'calls'
    ? judged.calls.map(({ tool, error }) => ({
        tool,
        ...(error === undefined ? {} : { refused: error.code }),
      }))
    : [];
