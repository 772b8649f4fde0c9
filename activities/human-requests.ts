/** Puts a question to a human on record, and what was decided. */
import type {
  CloseRequestInput,
  CloseRequestOutput,
  EscalateRequestInput,
  OpenRequestInput,
  OpenRequestOutput,
} from '../contracts/agent-run.ts';
import { limits } from '../contracts/limits.ts';
import { readDecision, refuseDecisionRow } from '../storage/decisions.ts';
import {
  closeRequestRow,
  escalateRequestRow,
  insertRequest,
  readRequest,
} from '../storage/requests.ts';
import { readAnswer } from '../storage/transcript.ts';
import { asActivity } from './activity-call.ts';
import { argumentsOf } from './arguments-of.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { judgeAnswer, judgeEdit, judgeRecord } from './judge-human-words.ts';

export function createOpenRequest({ database, worker }: ActivityDependencies) {
  return asActivity(worker, async (input: OpenRequestInput, call): Promise<OpenRequestOutput> => {
    // The run itself has no arguments.
    const text = input.tool === '' ? 'null' : await argumentsOf(database, call.run, input);
    return await insertRequest(database, call.run, { ...input, arguments: text });
  });
}

export function createEscalateRequest({ database, worker }: ActivityDependencies) {
  return asActivity(worker, (input: EscalateRequestInput, call) =>
    escalateRequestRow(database, call.run, input),
  );
}

/**
 * Closes a request. An edit or an answer is held against the tool's schemas first, and a decision that
 * has to be on record against its row: what does not fit is refused, and the request stays open.
 */
export function createCloseRequest(deps: ActivityDependencies) {
  return asActivity(
    deps.worker,
    async (input: CloseRequestInput, call): Promise<CloseRequestOutput> => {
      return await close(deps, call.run, input);
    },
  );
}

async function close(
  deps: ActivityDependencies,
  run: string,
  input: CloseRequestInput,
): Promise<CloseRequestOutput> {
  const { database } = deps;
  const before = await readRequest(database, run, input.position);
  // Decided before, in an execution that a reset has undone: what was made of it then stays.
  if (before !== undefined && before.state !== 'open') {
    if (input.verdict === 'answered' && input.call !== undefined) {
      const result = await readAnswer(database, run, input.call.position);
      if (result !== undefined) return { result };
    }
    if (before.editedHash === null) return {};
    return { edited: inline(before.editedHash, before.editedArguments ?? '') };
  }
  const refuse = async (because: string): Promise<CloseRequestOutput> => {
    const { position, by, decision } = input;
    await refuseDecisionRow(database, run, {
      position,
      by,
      because,
      ...(decision === undefined ? {} : { decision }),
    });
    return { refused: because };
  };
  const row =
    input.decision === undefined ? undefined : await readDecision(database, run, input.decision);
  if (input.recordedOnly === true) {
    const forged = judgeRecord(input, row);
    if (forged !== undefined) return refuse(forged);
  }
  if (input.edit !== undefined) {
    const edit = await judgeEdit(deps, input, input.edit.arguments ?? row?.body ?? undefined);
    if ('refused' in edit) return refuse(edit.refused);
    await closeRequestRow(database, run, input, { edited: edit });
    return { edited: inline(edit.argumentsHash, edit.text) };
  }
  if (input.answer !== undefined) {
    const answer = await judgeAnswer(deps, input, input.answer.text ?? row?.body ?? undefined);
    if ('refused' in answer) return refuse(answer.refused);
    const closed = await closeRequestRow(database, run, input, { answered: answer });
    deps.transcripts.keepFragment(answer.result.fragmentHash, answer.result.fragment);
    return { result: closed.answer ?? answer.result.answer };
  }
  await closeRequestRow(database, run, input);
  return {};
}

/** Long arguments stay in the request's row, where `runTool` reads them. */
const inline = (
  argumentsHash: string,
  text: string,
): { readonly argumentsHash: string; readonly arguments?: string } =>
  Buffer.byteLength(text) <= limits.argumentsInlineBytesMax
    ? { argumentsHash, arguments: text }
    : { argumentsHash };
