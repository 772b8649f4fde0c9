import { limits } from '../contracts/limits.ts';
import type { AnyAgent } from './agent.ts';
import { appBrand, hasBrand } from './brands.ts';
import { isAgent } from './define-agent.ts';
import { FieldReader } from './field-reader.ts';
import { checkKeys } from './known-keys.ts';
import { Mistakes } from './mistakes.ts';
import { show } from './show.ts';

/** An application: the agents that its workers can run. */
export interface App<L extends readonly AnyAgent[] = readonly AnyAgent[]> {
  readonly [appBrand]: 1;
  /** As written. Their names and schemas are what `connect` types. */
  readonly listed: L;
  /** The listed ones, then those that they use through `asTool`, each once. */
  readonly agents: readonly AnyAgent[];
}

/**
 * Names the agents of an application. Agents that others use through `asTool` are included by
 * themselves; list one to start it with types.
 *
 * @throws BelayerError `DefinitionRejected` where two agents have one name, or there are none.
 */
export function defineApp<const L extends readonly AnyAgent[]>(spec: {
  readonly agents: L;
}): App<L> {
  const mistakes = new Mistakes();
  const fields = new FieldReader(mistakes).object('defineApp({ ... })', spec ?? null);
  checkKeys(fields, { where: '', known: ['agents'] }, mistakes);
  const listed = readListed(fields['agents'], mistakes);
  const agents = withChildren(listed);
  checkNames(agents, mistakes);
  if (agents.length > limits.agentsPerApplicationMax) {
    mistakes.add(
      `\`agents\`: ${agents.length}; \`agentsPerApplicationMax\` is ${limits.agentsPerApplicationMax}`,
    );
  }
  mistakes.throwIfAny('The application');
  return Object.freeze({
    [appBrand]: 1 as const,
    listed: spec.agents,
    agents: Object.freeze(agents),
  });
}

export function isApp(value: unknown): value is App {
  return hasBrand(value, appBrand);
}

function readListed(value: unknown, mistakes: Mistakes): readonly AnyAgent[] {
  if (!Array.isArray(value) || value.length === 0) {
    mistakes.add(`\`agents\` must be a list of at least one agent; ${show(value)} is not`);
    return [];
  }
  const listed: AnyAgent[] = [];
  for (const [index, agent] of (value as unknown[]).entries()) {
    if (!isAgent(agent)) {
      mistakes.add(`\`agents[${index}]\` was not made by defineAgent: ${show(agent)}`);
    } else if (listed.includes(agent)) {
      mistakes.add(`agent \`${agent.name}\` is listed twice`);
    } else {
      listed.push(agent);
    }
  }
  return listed;
}

function withChildren(listed: readonly AnyAgent[]): AnyAgent[] {
  const all = new Set<AnyAgent>(listed);
  // A set that grows while it is walked: what is added is walked too, once.
  for (const agent of all) {
    for (const { child } of agent.tools) {
      if (child !== undefined && isAgent(child.agent)) all.add(child.agent);
    }
  }
  return [...all];
}

function checkNames(agents: readonly AnyAgent[], mistakes: Mistakes): void {
  const names = new Set<string>();
  for (const { name } of agents) {
    if (names.has(name)) mistakes.add(`two agents are named \`${name}\``);
    names.add(name);
  }
}
