import type { z } from 'zod';
import { limits } from '../contracts/limits.ts';
import type { Agent, AgentData, AnyAgent } from './agent.ts';
import { agentAsTool } from './agent-as-tool.ts';
import { readHumans } from './agent-humans.ts';
import { readLimits } from './agent-limits.ts';
import { readModels } from './agent-models.ts';
import { functionsIn, readRouting } from './agent-routing.ts';
import type { AgentSpec } from './agent-spec.ts';
import { agentBrand, hasBrand } from './brands.ts';
import { readCache } from './cache-policy.ts';
import { isTool } from './define-tool.ts';
import { FieldReader } from './field-reader.ts';
import { isSchema, jsonSchemaOf, notSchema } from './json-schema-of.ts';
import { checkKeys } from './known-keys.ts';
import { Mistakes } from './mistakes.ts';
import { show } from './show.ts';
import { hiddenToolsOf } from './tool-fallback.ts';
import type { Tool } from './tool.ts';

const knownKeys: readonly (keyof AgentSpec<string>)[] = [
  'name',
  'instructions',
  'model',
  'models',
  'fallbackModels',
  'route',
  'cascade',
  'check',
  'stopWhen',
  'input',
  'output',
  'tools',
  'limits',
  'temperature',
  'modelTimeout',
  'placement',
  'ask',
  'escalate',
  'session',
  'cache',
];
const agentName = /^[a-z0-9][a-z0-9_-]*$/;

/**
 * Describes an agent: what it is told, what it may call, what a run of it may use up.
 *
 * Nothing runs here, and whether the models exist is not known here.
 *
 * @throws BelayerError `DefinitionRejected` that lists every mistake of this agent. Mistakes of its
 * tools were thrown by `defineTool`.
 */
export function defineAgent<
  const N extends string,
  I extends z.ZodType | undefined = undefined,
  O extends z.ZodType | undefined = undefined,
>(spec: AgentSpec<N, I, O>): Agent<NoInfer<N>, NoInfer<I>, NoInfer<O>> {
  // `NoInfer`: inside defineApp({ agents: [...] }) the schemas come from the spec alone.
  const mistakes = new Mistakes();
  const read = new FieldReader(mistakes);
  const fields = read.object('defineAgent({ ... })', spec ?? null);
  checkKeys(fields, { where: '', known: knownKeys }, mistakes);

  const name = fields['name'];
  checkName(name, mistakes);
  if (typeof fields['instructions'] !== 'function') {
    read.text('instructions', fields['instructions'], 'instructionsBytesMax');
  }
  const tools = readTools(fields['tools'], mistakes);
  const data = readData(fields, read, mistakes);
  mistakes.throwIfAny(typeof name === 'string' ? `Agent \`${name}\`` : 'An agent');

  const agent: Agent<N, I, O> = {
    [agentBrand]: 1,
    name: spec.name,
    instructions: spec.instructions as AnyAgent['instructions'],
    // Absent is undefined, which is what `I` and `O` then are.
    input: spec.input as I,
    output: spec.output as O,
    tools,
    data,
    functions: functionsIn(fields),
    // The overloads say what `agentAsTool` computes from the schemas.
    asTool: ((options?: Parameters<typeof agentAsTool>[1]) => agentAsTool(agent, options)) as Agent<
      N,
      I,
      O
    >['asTool'],
  };
  return Object.freeze(agent);
}

export function isAgent(value: unknown): value is Agent {
  return hasBrand(value, agentBrand);
}

function checkName(name: unknown, mistakes: Mistakes): void {
  if (name === undefined) {
    mistakes.add('`name` is missing');
  } else if (
    typeof name !== 'string' ||
    !agentName.test(name) ||
    name.length > limits.agentNameCharsMax
  ) {
    mistakes.add(
      `\`name\`: ${show(name)} must be 1 to ${limits.agentNameCharsMax} of a-z, 0-9, - and _, a letter or digit first`,
    );
  } else if (name in Object.prototype) {
    mistakes.add(`\`name\`: ${show(name)} is a name that every JavaScript object has`);
  }
}

function readData(
  fields: Readonly<Record<string, unknown>>,
  read: FieldReader,
  mistakes: Mistakes,
): AgentData {
  const schemas = readSchemas(fields, mistakes);
  const cache = readCache(fields['cache'], read, mistakes);
  const temperature = read.number('temperature', fields['temperature'], { min: 0, max: 2 });
  return {
    ...readModels(fields, read, mistakes),
    ...readRouting(fields, schemas.outputSchema, read, mistakes),
    ...(temperature === undefined ? {} : { temperature }),
    limits: readLimits(fields['limits'], read, mistakes),
    ...schemas,
    ...readHumans(fields, read, mistakes),
    ...(cache === undefined ? {} : { cache }),
  };
}

function readSchemas(
  { input, output }: Readonly<Record<string, unknown>>,
  mistakes: Mistakes,
): Pick<AgentData, 'inputSchema' | 'outputSchema'> {
  for (const [name, schema] of Object.entries({ input, output })) {
    if (schema !== undefined && !isSchema(schema)) {
      mistakes.add(`\`${name}\` ${notSchema(schema, 'a schema')}`);
    }
  }
  const inputSchema = isSchema(input)
    ? jsonSchemaOf(input, { path: 'input', side: 'input' }, mistakes)
    : undefined;
  // The model writes the one side; the other is stored, as JSON, and given to the caller.
  if (isSchema(output)) jsonSchemaOf(output, { path: 'output', side: 'output' }, mistakes);
  const outputSchema = isSchema(output)
    ? jsonSchemaOf(output, { path: 'output', side: 'input' }, mistakes)
    : undefined;
  return {
    ...(inputSchema === undefined ? {} : { inputSchema }),
    ...(outputSchema === undefined ? {} : { outputSchema }),
  };
}

function readTools(value: unknown, mistakes: Mistakes): readonly Tool[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) {
    mistakes.add(`\`tools\` must be a list; ${show(value)} is not`);
    return [];
  }
  if (value.length > limits.toolsPerAgentMax) {
    mistakes.add(
      `\`tools\` has ${value.length}; \`toolsPerAgentMax\` is ${limits.toolsPerAgentMax}`,
    );
  }
  const tools: Tool[] = [];
  for (const [index, tool] of (value as unknown[]).entries()) {
    if (!isTool(tool)) {
      mistakes.add(
        isAgent(tool)
          ? `\`tools[${index}]\` is the agent \`${tool.name}\`; write ${tool.name}.asTool()`
          : `\`tools[${index}]\` was not made by defineTool: ${show(tool)}`,
      );
    } else if (tools.some((other) => other.name === tool.name)) {
      mistakes.add(`two tools are named \`${tool.name}\``);
    } else {
      tools.push(tool);
    }
  }
  const names = new Set(tools.map((tool) => tool.name));
  for (const { name } of hiddenToolsOf(tools)) {
    if (names.has(name)) {
      mistakes.add(`two different tools are named \`${name}\`; one of them is a fallback`);
    }
    names.add(name);
  }
  const depth = childDepth(tools);
  if (depth > limits.childDepthMax) {
    mistakes.add(
      `agents inside agents: ${depth} deep; \`childDepthMax\` is ${limits.childDepthMax}`,
    );
  }
  return Object.freeze(tools);
}

/** How many child runs may stand below a run with these tools. An agent can only name older ones. */
function childDepth(tools: readonly Tool[]): number {
  return tools.reduce((deepest, { child }) => {
    if (child === undefined || !isAgent(child.agent)) return deepest;
    return Math.max(deepest, 1 + childDepth(child.agent.tools));
  }, 0);
}
