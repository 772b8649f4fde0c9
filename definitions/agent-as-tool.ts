import { z } from 'zod';
import type { AnyAgent, AsToolOptions } from './agent.ts';
import { makeTool } from './define-tool.ts';
import { isObjectSchema } from './json-schema-of.ts';
import { checkKeys } from './known-keys.ts';
import { Mistakes } from './mistakes.ts';
import type { Tool } from './tool.ts';

/**
 * The tool that stands for a run of the agent. Its effect is `none`, since the child's own tools
 * are gated in the child; it has no attempts and no timeout of its own.
 */
export function agentAsTool(
  agent: AnyAgent,
  options: AsToolOptions & { readonly input?: z.ZodObject } = {},
): Tool {
  const mistakes = new Mistakes();
  const { cache, ...rest } = options as typeof options & { readonly cache?: unknown };
  checkKeys(rest, { where: '', known: ['name', 'description', 'input'] }, mistakes);
  if (cache !== undefined)
    mistakes.add('`cache`: this tool stands for a sub-agent; give that agent a `cache`');
  if (agent.data.session !== undefined) {
    mistakes.add('it has a `session`, and nobody would write it a next message');
  }
  mistakes.throwIfAny(`asTool() of agent \`${agent.name}\``);

  const own = isObjectSchema(agent.input) ? agent.input : undefined;
  const input =
    options.input ?? own ?? z.object({ input: agent.input ?? z.string().describe('The task.') });
  return makeTool<z.ZodObject, z.ZodType | undefined>(
    {
      name: options.name ?? agent.name,
      description:
        options.description ??
        `Hands a task to the agent "${agent.name}", which works on it alone and returns its result.`,
      effect: 'none',
      input,
      ...(agent.output === undefined ? {} : { output: agent.output }),
      run: () => {
        throw new Error(`Agent \`${agent.name}\` runs as a child run: its tool has no \`run\`.`);
      },
    },
    {
      child: {
        agent,
        wrapped: options.input === undefined && own === undefined,
        parsed: options.input !== undefined,
      },
    },
  );
}

/**
 * The input of the child run that a call of the tool starts.
 *
 * @param argumentsOfCall as the model wrote them, already known to fit `tool.input`.
 */
export function childInputOf(tool: Tool, argumentsOfCall: unknown): unknown {
  if (tool.child === undefined) throw new Error(`Tool \`${tool.name}\` stands for no agent.`);
  if (tool.child.parsed) return tool.input.parse(argumentsOfCall);
  if (!tool.child.wrapped) return argumentsOfCall;
  return (argumentsOfCall as { readonly input: unknown }).input;
}
