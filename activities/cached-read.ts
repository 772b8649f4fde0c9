/**
 * A tool call whose result may be kept: answered without running the tool, or made for others too.
 *
 * What is kept is the tool's answer as it was checked and, where it has a schema, parsed. What the model sees of it
 * is cut and said as for a call that ran, so the run's record does not tell the two apart but by its journal.
 */
import type { FrozenTool } from '../contracts/definitions.ts';
import { canonicalJson } from '../rules/canonical-json.ts';
import { cacheScope } from '../rules/cache-scope.ts';
import { equalCallWaitMs } from '../rules/equal-call-wait.ts';
import type { KeptEntry, WantedEntry } from '../storage/cache.ts';
import { sha256 } from '../storage/hash.ts';
import type { RecordRead } from '../storage/ledger.ts';
import type { Taken } from './call-cache.ts';
import { choiceOf } from './cached-reply.ts';
import type { ActivityDependencies } from './dependencies.ts';
import type { ToolCallAtHand } from './tool-call-at-hand.ts';
import type { ToolOutcome } from './tool-outcome.ts';

/**
 * Names a tool call among all: the tool as it was described, the code that carries it out, and its arguments.
 *
 * @param buildId  Of the code that runs here: other code may answer otherwise.
 */
export const toolCacheKey = (
  tool: FrozenTool,
  call: { readonly argumentsHash: string; readonly buildId: string },
): string =>
  sha256(
    canonicalJson({
      tool: tool.name,
      definition: sha256(canonicalJson(tool)),
      arguments: call.argumentsHash,
      buildId: call.buildId,
    }),
  );

/** Undefined where results of the tool are not kept. @throws the signal's reason, when it ends the wait. */
export async function takeResult(
  deps: ActivityDependencies,
  { call, input, agent, keptAs }: ToolCallAtHand,
  signal: AbortSignal,
): Promise<Taken | undefined> {
  if (keptAs?.policy.cache === undefined) return undefined;
  const policy = keptAs.policy.cache;
  const { buildId } = deps.cache;
  const wanted: WantedEntry = {
    kind: 'tool',
    scope: cacheScope(policy, input),
    key: toolCacheKey(keptAs, { argumentsHash: input.argumentsHash, buildId }),
    agent,
    tool: input.tool,
    ...(input.customer === undefined ? {} : { customer: input.customer }),
    forMs: policy.forMs,
    run: call.run,
    position: input.position,
  };
  return deps.cache.take(wanted, call.token, { signal, waitMs: equalCallWaitMs(input.timeoutMs) });
}

/** As if the tool had answered so now, at no cost. */
export const keptOutcome = ({ body }: KeptEntry): Extract<ToolOutcome, { kind: 'ok' }> => ({
  kind: 'ok',
  text: JSON.parse(body) as string,
  costMicroUsd: 0,
});

/** What the journal and those who watch are told of it. */
export const keptNote = (
  entry: KeptEntry,
): { readonly journal: Pick<RecordRead, 'choice' | 'saved'>; readonly event: object } => ({
  journal: { choice: choiceOf(entry), saved: { cache: entry.costMicroUsd } },
  event: {
    cached: true,
    ...(entry.about.tookMs === undefined ? {} : { tookMs: entry.about.tookMs }),
  },
});
