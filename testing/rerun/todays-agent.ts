/** An agent as today's application defines it, as far as prompts and decisions rest on it. */
import { requestParameters } from '../../activities/models/request-parameters.ts';
import type { AgentRunInput } from '../../contracts/agent-run.ts';
import type { FrozenAgent } from '../../contracts/definitions.ts';
import { type AnyAgent, type App, freezeAgent } from '../../definitions/internal.ts';
import { tiersOf } from '../../rules/to-run-input.ts';
import { promptHead, systemMessage } from '../../rules/render-message.ts';
import { contentOf } from '../../storage/transcript.ts';

export interface TodaysAgent {
  readonly agent: AnyAgent;
  readonly frozen: FrozenAgent;
  /** The model at a place of the chain of models; the last where there are fewer now. */
  model(index: number): string;
  /** What a prompt for a model begins with. */
  head(model: string): string;
  /** The system message that a function makes of the run's first message; undefined where there is none. */
  system(first: string): Promise<string | undefined>;
  /** A run's input as today's definition has it; what the run may use up stays its own. */
  input(recorded: AgentRunInput): AgentRunInput;
}

/** @param modelDefault  For an agent that names no model. @returns undefined where the application has no such agent. */
export function todaysAgent(
  app: App,
  name: string,
  modelDefault: string | undefined,
): TodaysAgent | undefined {
  const agent = app.agents.find((candidate) => candidate.name === name);
  if (agent === undefined) return undefined;
  const frozen = freezeAgent(agent, { modelDefault, buildId: 'rerun' });
  return {
    agent,
    frozen,
    model: (index) => frozen.models[Math.min(index, frozen.models.length - 1)] ?? '',
    head: (model) => promptHead(frozen, model, requestParameters(frozen, model)),
    async system(first) {
      if (typeof agent.instructions !== 'function') return undefined;
      const words = contentOf(first);
      const input =
        agent.input === undefined ? words : await agent.input.parseAsync(JSON.parse(words));
      return systemMessage(await agent.instructions(input as never));
    },
    input(recorded) {
      const {
        ask: _,
        escalate: _escalate,
        session: _session,
        tiers: _tiers,
        route: _route,
        cascade: _cascade,
        ...rest
      } = recorded;
      return {
        ...rest,
        models: frozen.models,
        ...tiersOf(frozen),
        tools: Object.fromEntries(frozen.tools.map((tool) => [tool.name, tool.policy])),
        structured: frozen.outputSchema !== undefined,
        ...(frozen.ask === undefined ? {} : { ask: frozen.ask }),
        ...(frozen.escalate === undefined ? {} : { escalate: frozen.escalate }),
        ...(frozen.session === undefined ? {} : { session: frozen.session }),
      };
    },
  };
}
