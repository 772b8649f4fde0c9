/** Whether an edit or an answer of a human fits the call that it is for. */
import type { CloseRequestInput } from '../contracts/agent-run.ts';
import { invariant } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { canonicalJson } from '../rules/canonical-json.ts';
import { toolMessage } from '../rules/render-message.ts';
import type { DecisionRow } from '../storage/decisions.ts';
import { sha256 } from '../storage/hash.ts';
import type { Closing } from '../storage/requests.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { findAgent, findTool } from './find-code.ts';
import { safeParse } from './propose-call.ts';
import { toolResult } from './tool-result.ts';
import type { Tool } from '../definitions/internal.ts';

interface Refused {
  readonly refused: string;
}

/** A decision that must be on record says exactly what its row says; undefined where it does. */
export function judgeRecord(
  input: CloseRequestInput,
  row: DecisionRow | undefined,
): string | undefined {
  if (input.via === 'deadline' || input.via === 'run' || input.verdict === 'extended')
    return undefined;
  const same =
    row !== undefined &&
    row.position === input.position &&
    row.verdict === input.verdict &&
    row.by === input.by &&
    row.argumentsHash === input.argumentsHash &&
    row.bodyHash === (input.edit?.argumentsHash ?? input.answer?.hash ?? null);
  return same
    ? undefined
    : `Request ${input.position} takes only decisions that Belayer's client has put on record; this one is not there, or says something else.`;
}

export async function judgeEdit(
  deps: ActivityDependencies,
  input: CloseRequestInput,
  text: string | undefined,
): Promise<NonNullable<Closing['edited']> | Refused> {
  const { edit } = input;
  invariant(edit !== undefined && input.call !== undefined, 'an edit is for a call');
  const given = judgeText('edit', text);
  if (typeof given !== 'string') return given;
  let value: unknown;
  let canonical: string;
  try {
    value = JSON.parse(given);
    canonical = canonicalJson(value);
  } catch {
    return { refused: 'The edited arguments are not valid JSON, or nested too deeply.' };
  }
  if (sha256(canonical) !== edit.argumentsHash)
    return { refused: `The edited arguments do not have the hash ${edit.argumentsHash}.` };
  const tool = await toolOf(deps, input.call);
  const parsed = await safeParse(tool.input, value);
  if (!parsed.success)
    return { refused: `The edited arguments do not fit \`${tool.name}\`: ${parsed.problem}` };
  return { argumentsHash: edit.argumentsHash, text: canonical };
}

export async function judgeAnswer(
  deps: ActivityDependencies,
  input: CloseRequestInput,
  text: string | undefined,
): Promise<NonNullable<Closing['answered']> | Refused> {
  const { answer, call } = input;
  invariant(answer !== undefined && call !== undefined, 'an answer is for a call');
  const given = judgeText('answer', text);
  if (typeof given !== 'string') return given;
  if (sha256(given) !== answer.hash)
    return { refused: `The answer does not have the hash ${answer.hash}.` };
  const tool = await toolOf(deps, call);
  const kept = await resultText(tool, given);
  if (typeof kept !== 'string') return kept;
  const isQuestion = tool.data.question === true;
  const said = isQuestion ? kept : `[a human says that it happened, with this result]\n${kept}`;
  return {
    call,
    result: toolResult(toolMessage(call.id, said), {
      input: call.argumentsHash,
      status: 'ok',
      costMicroUsd: 0,
    }),
  };
}

/** The result as the tool itself would have given it, held against its schema where it has one. */
async function resultText(tool: Tool, given: string): Promise<string | Refused> {
  const { output } = tool;
  if (output === undefined) return given;
  const fit = async (value: unknown): Promise<string | Refused> => {
    const parsed = await safeParse<unknown>(output, value);
    if (!parsed.success)
      return {
        refused: `The answer does not fit the output schema of \`${tool.name}\`: ${parsed.problem}`,
      };
    return typeof parsed.data === 'string' ? parsed.data : canonicalJson(parsed.data ?? null);
  };
  // A plain word is as good as its JSON where the schema takes text.
  const asText = await fit(given);
  if (typeof asText === 'string') return asText;
  try {
    return await fit(JSON.parse(given) as unknown);
  } catch {
    return asText;
  }
}

function judgeText(what: 'edit' | 'answer', text: string | undefined): string | Refused {
  if (text === undefined)
    return {
      refused: `The text of the ${what} is not there: it was neither sent nor put on record.`,
    };
  const bytes = Buffer.byteLength(text);
  return bytes > limits.answerBytesMax
    ? { refused: `The ${what} has ${bytes} bytes; at most ${limits.answerBytesMax} are taken.` }
    : text;
}

async function toolOf(
  deps: ActivityDependencies,
  call: NonNullable<CloseRequestInput['call']>,
): Promise<Tool> {
  return findTool(findAgent(deps, await deps.definitionOf(call.definition)), call.tool);
}
