import { ApplicationFailure } from '@temporalio/common';
import { failureType } from '../contracts/failures.ts';
import { type AnyAgent, hiddenToolsOf, type Tool } from '../definitions/internal.ts';
import type { StoredDefinition } from '../storage/definitions.ts';
import type { ActivityDependencies } from './dependencies.ts';

/** The functions behind a pinned definition, as this worker's application has them. */
export function findAgent(deps: ActivityDependencies, definition: StoredDefinition): AnyAgent {
  const agent = deps.agents.get(definition.frozen.name);
  if (agent === undefined)
    throw noWorker(`This worker's application has no agent \`${definition.frozen.name}\`.`);
  return agent;
}

/** Among the tools that the agent offers, then among those that serve them as a fallback. */
export function findTool(agent: AnyAgent, name: string): Tool {
  const tool =
    agent.tools.find((candidate) => candidate.name === name) ??
    hiddenToolsOf(agent.tools).find((candidate) => candidate.name === name);
  if (tool === undefined)
    throw noWorker(`This worker's agent \`${agent.name}\` has no tool \`${name}\`.`);
  return tool;
}

/** Another worker may have it: the run waits, visibly, and looks again. */
export const noWorker = (message: string): ApplicationFailure =>
  ApplicationFailure.create({ type: failureType.noWorker, message, nonRetryable: true });
