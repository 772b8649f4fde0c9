/** Whether a run ends before its model says so: the agent's `stopWhen`, before a call and on a reply. */
import type { FrozenAgent } from '../../contracts/definitions.ts';
import { limits } from '../../contracts/limits.ts';
import type { AnyAgent, StopSeen } from '../../definitions/internal.ts';
import { show } from '../../definitions/internal.ts';
import { canonicalJson } from '../../rules/canonical-json.ts';
import { assistantMessage } from '../../rules/render-message.ts';
import { judgeOutput } from '../judge-reply.ts';
import { callFunction, functionFailed } from './call-function.ts';

export interface Stopped {
  /** The canonical JSON of the output, as the run ends with it. */
  readonly text: string;
  /** The reply as if the model had written it. */
  readonly fragment: string;
  readonly because: string;
}

/** @throws FunctionFailed  It threw, said something else, or its output does not fit. */
export async function askStopWhen(agent: AnyAgent, seen: StopSeen): Promise<Stopped | undefined> {
  const said = await callFunction(agent, 'stopWhen', seen);
  if (said === false || said === undefined) return undefined;
  const isObject = typeof said === 'object' && said !== null;
  if (!isObject || !('output' in said))
    throw functionFailed(
      agent,
      'stopWhen',
      `said ${show(said)}, which is neither false nor { output, because }`,
    );
  const { output, because } = said as { readonly output: unknown; readonly because?: unknown };
  if (typeof because !== 'string' || because === '')
    throw functionFailed(agent, 'stopWhen', 'gave no reason: `because` is a text');
  const written = writtenOutput(agent, output);
  const judged = await judgeOutput(agent, written);
  if (judged.kind !== 'final')
    throw functionFailed(
      agent,
      'stopWhen',
      `gave an output that does not fit: ${judged.kind === 'misfit' ? judged.problem : judged.kind}`,
    );
  return {
    text: judged.text,
    fragment: assistantMessage({ text: written, toolCalls: [] }),
    because: because.slice(0, limits.choiceCharsMax),
  };
}

/** As the model would have written it. */
function writtenOutput(agent: AnyAgent, output: unknown): string {
  if (agent.output === undefined) {
    if (typeof output === 'string' && output !== '') return output;
    throw functionFailed(agent, 'stopWhen', `gave the output ${show(output)}, which is no text`);
  }
  try {
    return canonicalJson(output);
  } catch (error) {
    throw functionFailed(
      agent,
      'stopWhen',
      `gave an output that is no JSON: ${(error as Error).message}`,
    );
  }
}

/** Whether a call to a model has to be looked at before it is made. */
export const looksBeforeCalls = ({ stopWhen }: Pick<FrozenAgent, 'stopWhen'>): boolean =>
  stopWhen?.kind === 'function';

interface AskingMessage {
  readonly tool_calls?: readonly {
    readonly id: string;
    readonly function: { readonly name: string; readonly arguments: string };
  }[];
}
interface ToolMessage {
  readonly role: string;
  readonly tool_call_id?: string;
  readonly content: string | null;
}

/**
 * What the calls of a step came to, from its messages.
 *
 * @param asking   The message of the reply that asked.
 * @param results  The messages behind it. Undefined where others than results are among them: somebody said something,
 *                 and the model hears it first.
 */
export function resultsOf(
  asking: string,
  results: readonly string[],
): StopSeen['results'] | undefined {
  const { tool_calls: calls = [] } = JSON.parse(asking) as AskingMessage;
  const told = results.map((text) => JSON.parse(text) as ToolMessage);
  if (calls.length === 0 || told.some(({ role }) => role !== 'tool')) return undefined;
  return told.map(({ tool_call_id: id, content }) => {
    const call = calls.find((candidate) => candidate.id === id);
    return {
      tool: call?.function.name ?? '',
      arguments: jsonOr(
        call?.function.arguments === '' ? '{}' : (call?.function.arguments ?? ''),
        true,
      ),
      result: jsonOr(content ?? '', false),
    };
  });
}

/** A result that is a number or a word stays the text that the model saw. */
function jsonOr(text: string, isAnyValue: boolean): unknown {
  try {
    const value = JSON.parse(text) as unknown;
    return isAnyValue || (typeof value === 'object' && value !== null) ? value : text;
  } catch {
    return text;
  }
}

/** What a reply asks for, as `stopWhen` is told. */
export const callsAsked = (
  calls: readonly { readonly name: string; readonly argumentsText: string }[],
): StopSeen['calls'] =>
  calls.map(({ name, argumentsText }) => ({
    tool: name,
    arguments: jsonOr(argumentsText === '' ? '{}' : argumentsText, true),
  }));
