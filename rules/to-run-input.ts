import type { AgentRunInput, Hash, TranscriptHead } from '../contracts/agent-run.ts';
import type { FrozenAgent, RunLimits } from '../contracts/definitions.ts';
import type { RunOptions } from '../contracts/run-options.ts';

/** What a start may use up: the definition's limits, narrowed by the caller's, never widened. */
export function narrowLimits(own: RunLimits, options: RunOptions | undefined): RunLimits {
  const narrowed = { ...own };
  for (const name of Object.keys(own) as (keyof RunLimits)[]) {
    const wished = options?.limits?.[name];
    if (wished !== undefined) narrowed[name] = Math.min(own[name], wished) as never;
  }
  return narrowed;
}

/** What the workflow knows of tiers. */
export const tiersOf = ({
  tiers,
  route,
  cascade,
}: FrozenAgent): Pick<AgentRunInput, 'tiers' | 'route' | 'cascade'> => ({
  ...(tiers === undefined ? {} : { tiers }),
  ...(route === undefined ? {} : { route }),
  ...(cascade === undefined ? {} : { cascade: { from: cascade.from } }),
});

/** The workflow's input of a run: the same for whoever starts it, client, sweep or parent. */
export function toRunInput(run: {
  readonly frozen: FrozenAgent;
  readonly definition: Hash;
  readonly customer?: string;
  readonly options?: RunOptions;
  readonly transcript: TranscriptHead;
}): AgentRunInput {
  const { frozen, options } = run;
  const { costMicroUsd, tokens, steps, wallMs } = narrowLimits(frozen.limits, options);
  return {
    agent: frozen.name,
    ...(run.customer === undefined || run.customer === '' ? {} : { customer: run.customer }),
    definition: run.definition,
    models: frozen.models,
    ...tiersOf(frozen),
    modelPlacement: frozen.modelPlacement,
    modelTimeoutMs: frozen.modelTimeoutMs,
    tools: Object.fromEntries(frozen.tools.map((tool) => [tool.name, tool.policy])),
    limits: { costMicroUsd, tokens, steps, wallMs },
    structured: frozen.outputSchema !== undefined,
    transcript: run.transcript,
    depth: options?.depth ?? 0,
    clock: 'events',
    ...(options?.deadlineMs === undefined ? {} : { deadlineMs: options.deadlineMs }),
    ...(frozen.ask === undefined ? {} : { ask: frozen.ask }),
    ...(frozen.escalate === undefined ? {} : { escalate: frozen.escalate }),
    ...(frozen.session === undefined ? {} : { session: frozen.session }),
    ...(frozen.cache === undefined ? {} : { cached: true }),
  };
}
