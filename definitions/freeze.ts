import type { FrozenAgent, FrozenTool } from '../contracts/definitions.ts';
import type { AnyAgent } from './agent.ts';
import { isModelName } from './agent-models.ts';
import { Mistakes } from './mistakes.ts';
import { show } from './show.ts';
import type { Tool } from './tool.ts';

/** What freezing adds: the same agent frozen with other surroundings is another definition. */
export interface Surroundings {
  /** The worker's `BELAYER_MODEL`, for agents that name no model. */
  readonly modelDefault?: string | undefined;
  /** Of the application's code: functions are named in a frozen agent, not contained. */
  readonly buildId: string;
}

/**
 * The JSON part of an agent. The same agent and surroundings give the same bytes, in whatever order
 * its keys were written; tools and schema fields keep the order in which models see them.
 *
 * @throws BelayerError `DefinitionRejected` where no model is known.
 */
export function freezeAgent(agent: AnyAgent, surroundings: Surroundings): FrozenAgent {
  const { data, instructions, tools } = agent;
  const model = data.model ?? surroundings.modelDefault;
  const mistakes = new Mistakes();
  if (model === undefined || model === '') {
    mistakes.add('no model: set `model` in defineAgent, or BELAYER_MODEL in the environment');
  } else if (!isModelName(model)) {
    mistakes.add(`BELAYER_MODEL: ${show(model)} is not the name of a model`);
  }
  mistakes.throwIfAny(`Agent \`${agent.name}\``);

  return {
    version: 1,
    name: agent.name,
    instructions:
      typeof instructions === 'string'
        ? { kind: 'text', text: instructions }
        : { kind: 'function' },
    // A default that is also a fallback counts once, as the first.
    models: [...new Set([model as string, ...data.fallbackModels])],
    modelPlacement: data.modelPlacement,
    modelTimeoutMs: data.modelTimeoutMs,
    ...(data.temperature === undefined ? {} : { temperature: data.temperature }),
    ...(data.inputSchema === undefined ? {} : { inputSchema: data.inputSchema }),
    ...(data.outputSchema === undefined ? {} : { outputSchema: data.outputSchema }),
    tools: tools.map(freezeTool),
    limits: data.limits,
    functions: functionsOf(agent),
    buildId: surroundings.buildId,
  };
}

function freezeTool(tool: Tool): FrozenTool {
  const { inputSchema, outputSchema, keyValidMs, resultTokensMax, ...policy } = tool.data;
  return {
    name: tool.name,
    description: tool.description,
    inputSchema,
    ...(outputSchema === undefined ? {} : { outputSchema }),
    policy: tool.child === undefined ? policy : { ...policy, agent: tool.child.agent.name },
    approval: tool.approval,
    ...(keyValidMs === undefined ? {} : { keyValidMs }),
    verify: tool.verify !== undefined,
    ...(resultTokensMax === undefined ? {} : { resultTokensMax }),
  };
}

/** The functions that a worker must have to run the agent: a sub-agent's tool has none. */
function functionsOf({ instructions, tools }: AnyAgent): string[] {
  const names = typeof instructions === 'function' ? ['instructions'] : [];
  for (const tool of tools) {
    if (tool.approval === 'function') names.push(`tool.${tool.name}.approval`);
    if (tool.child === undefined) names.push(`tool.${tool.name}.run`);
    if (tool.verify !== undefined) names.push(`tool.${tool.name}.verify`);
  }
  return names.sort();
}
