import type { AskPolicy, FrozenAgent, FrozenTool } from '../contracts/definitions.ts';
import type { AnyAgent } from './agent.ts';
import { isModelName } from './agent-models.ts';
import { toAskPolicy } from './ask-policy.ts';
import { Mistakes } from './mistakes.ts';
import { show } from './show.ts';
import { hiddenToolsOf } from './tool-fallback.ts';
import type { DeclaredAsk, Tool } from './tool.ts';

/** What freezing adds: the same agent frozen with other surroundings is another definition. */
export interface Surroundings {
  /** The worker's `BELAYER_MODEL`, for agents that name no model. */
  readonly modelDefault?: string | undefined;
  /** Of the application's code: functions are named in a frozen agent, not contained. */
  readonly buildId: string;
  /** The worker's `BELAYER_DEPLOYMENT`. */
  readonly deployment?: string | undefined;
}

/**
 * The JSON part of an agent. The same agent and surroundings give the same bytes, in whatever order
 * its keys were written; tools and schema fields keep the order in which models see them.
 *
 * @throws BelayerError `DefinitionRejected` where no model is known.
 */
export function freezeAgent(agent: AnyAgent, surroundings: Surroundings): FrozenAgent {
  const { data, instructions, tools } = agent;
  const tiers = data.tiers?.map((tier) => tier.model);
  const model = tiers?.[0] ?? data.model ?? surroundings.modelDefault;
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
    models: [...new Set([...(tiers ?? [model as string]), ...data.fallbackModels])],
    ...freezeRouting(agent),
    modelPlacement: data.modelPlacement,
    modelTimeoutMs: data.modelTimeoutMs,
    ...(data.temperature === undefined ? {} : { temperature: data.temperature }),
    ...(data.inputSchema === undefined ? {} : { inputSchema: data.inputSchema }),
    ...(data.outputSchema === undefined ? {} : { outputSchema: data.outputSchema }),
    tools: [
      ...tools.map((tool) => freezeTool(tool, data.ask)),
      ...hiddenToolsOf(tools).map((tool) => ({
        ...freezeTool(tool, data.ask),
        offered: false as const,
      })),
    ],
    limits: data.limits,
    // What was not declared is absent, so that a definition from before has the bytes it had.
    ...(data.ask === undefined ? {} : { ask: toAskPolicy(data.ask) }),
    ...(data.escalate === undefined ? {} : { escalate: data.escalate }),
    ...(data.session === undefined ? {} : { session: data.session }),
    ...(data.cache === undefined ? {} : { cache: data.cache }),
    functions: functionsOf(agent),
    buildId: surroundings.buildId,
    ...(surroundings.deployment === undefined ? {} : { deployment: surroundings.deployment }),
  };
}

/** What was not declared is absent here too. */
function freezeRouting({
  data: { tiers, cascade, stopWhen },
  functions,
}: AnyAgent): Pick<FrozenAgent, 'tiers' | 'route' | 'cascade' | 'check' | 'stopWhen'> {
  return {
    ...(tiers === undefined ? {} : { tiers: tiers.map(({ name }) => name) }),
    ...(functions.route === undefined ? {} : { route: true }),
    ...(cascade === undefined ? {} : { cascade }),
    ...(functions.check === undefined ? {} : { check: true }),
    ...(stopWhen === undefined ? {} : { stopWhen }),
  };
}

function freezeTool(tool: Tool, agentAsk: DeclaredAsk | undefined): FrozenTool {
  const { inputSchema, outputSchema, keyValidMs, resultTokensMax, attempt, ...rest } = tool.data;
  const { ask: _, ownApprovalDeadline: __, approvalDeadlineMs, ...policy } = rest;
  const ask = freezeAsk(tool, agentAsk);
  return {
    name: tool.name,
    description: tool.description,
    inputSchema,
    ...(outputSchema === undefined ? {} : { outputSchema }),
    policy: {
      ...policy,
      ...(approvalDeadlineMs === undefined
        ? {}
        : {
            approvalDeadlineMs:
              ask?.deadlineMs ??
              (tool.data.ownApprovalDeadline ? undefined : agentAsk?.deadlineMs) ??
              approvalDeadlineMs,
          }),
      ...(ask === undefined ? {} : { ask }),
      ...(tool.fallbacks === undefined
        ? {}
        : { fallbacks: tool.fallbacks.map((fallback) => fallback.tool.name) }),
      ...(tool.child === undefined ? {} : { agent: tool.child.agent.name }),
    },
    approval: tool.approval,
    ...(keyValidMs === undefined ? {} : { keyValidMs }),
    verify: tool.verify !== undefined,
    ...(resultTokensMax === undefined ? {} : { resultTokensMax }),
    ...(attempt === undefined ? {} : { attempt }),
  };
}

/** How humans are asked about a tool, where it is not simply as the agent says. */
function freezeAsk(tool: Tool, agentAsk: DeclaredAsk | undefined): AskPolicy | undefined {
  const { ask, ownApprovalDeadline, approvalDeadlineMs } = tool.data;
  if (ask !== undefined) return toAskPolicy(ask, agentAsk);
  if (agentAsk === undefined || ownApprovalDeadline === undefined) return undefined;
  return toAskPolicy(
    approvalDeadlineMs === undefined ? {} : { deadlineMs: approvalDeadlineMs },
    agentAsk,
  );
}

/** The functions that a worker must have to run the agent: a sub-agent's tool and a question have none. */
function functionsOf({ instructions, tools, functions }: AnyAgent): string[] {
  const names = Object.keys(functions);
  if (typeof instructions === 'function') names.push('instructions');
  for (const tool of [...tools, ...hiddenToolsOf(tools)]) {
    const runs = tool.child === undefined && tool.data.question === undefined;
    if (tool.approval === 'function') names.push(`tool.${tool.name}.approval`);
    if (runs) names.push(`tool.${tool.name}.run`);
    if (tool.verify !== undefined) names.push(`tool.${tool.name}.verify`);
    for (const fallback of tool.fallbacks ?? [])
      if (fallback.input !== undefined)
        names.push(`tool.${tool.name}.fallback.${fallback.tool.name}`);
  }
  return names.sort();
}
