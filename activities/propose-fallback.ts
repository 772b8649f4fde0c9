/** The call of another tool in place of one that failed, made by the application's own function. */
import {
  type ProposedCall,
  type ProposeFallbackInput,
  toolErrorCode,
} from '../contracts/agent-run.ts';
import { limits } from '../contracts/limits.ts';
import type { FallbackTool, Tool } from '../definitions/internal.ts';
import { canonicalJson } from '../rules/canonical-json.ts';
import { recordFallback } from '../storage/fallbacks.ts';
import { asActivity } from './activity-call.ts';
import { argumentsOf } from './arguments-of.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { findAgent, findTool, noWorker } from './find-code.ts';
import { proposedCall, refusedCall } from './propose-call.ts';

export function createProposeFallback(deps: ActivityDependencies) {
  return asActivity(
    deps.worker,
    async (input: ProposeFallbackInput, call): Promise<ProposedCall> => {
      return await propose(deps, call.run, input);
    },
  );
}

async function propose(
  deps: ActivityDependencies,
  run: string,
  input: ProposeFallbackInput,
): Promise<ProposedCall> {
  const definition = await deps.definitionOf(input.definition);
  const failed = findTool(findAgent(deps, definition), input.tool);
  const frozen = definition.frozen.tools.find((tool) => tool.name === input.tool);
  // The pinned definition says which tool is next, the worker's code how it is called.
  const name = frozen?.policy.fallbacks?.[input.index] ?? '';
  const fallback = failed.fallbacks?.find((candidate) => candidate.tool.name === name);
  if (fallback === undefined)
    throw noWorker(
      `This worker's tool \`${input.tool}\` has no fallback \`${name || input.index}\`.`,
    );
  const written = await argumentsOf(deps.database, run, input);
  const made = await callOf(failed, fallback, { id: input.id, written });
  const isLong = made.call.error === undefined && made.call.arguments === undefined;
  await recordFallback(deps.database, run, {
    position: input.position,
    tool: input.tool,
    to: name,
    ...(isLong ? { kept: { hash: made.call.argumentsHash, text: made.text } } : {}),
  });
  return made.call;
}

/** Exported for tests. */
export async function callOf(
  failed: Tool,
  fallback: FallbackTool,
  of: { readonly id: string; readonly written: string },
): Promise<{ readonly call: ProposedCall; readonly text: string }> {
  const { tool } = fallback;
  const named = { id: of.id, tool: tool.name };
  const refuse = (problem: string) => ({
    call: refusedCall(named, of.written, {
      code: toolErrorCode.badArguments,
      message:
        `Tool ${failed.name} failed, and the arguments of its fallback ${tool.name} could not be made: ${problem}`.slice(
          0,
          limits.toolErrorCharsMax,
        ),
    }),
    text: of.written,
  });
  let text = of.written;
  if (fallback.input !== undefined) {
    try {
      const parsed = await failed.input.parseAsync(JSON.parse(of.written));
      // Through JSON, as a model's would come: what it cannot carry is not there.
      text = canonicalJson(JSON.parse(JSON.stringify(await fallback.input(parsed))));
    } catch (error) {
      return refuse(error instanceof Error ? error.message : String(error));
    }
  }
  const call = await proposedCall(tool, named, text);
  return call.error === undefined ? { call, text } : refuse(call.error.message);
}
