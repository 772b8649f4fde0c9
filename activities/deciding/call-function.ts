import type { FrozenAgent } from '../../contracts/definitions.ts';
import { BelayerError, failureType } from '../../contracts/failures.ts';
import { limits } from '../../contracts/limits.ts';
import type { AgentFunctions, AnyAgent } from '../../definitions/internal.ts';
import { noWorker } from '../find-code.ts';

/**
 * Calls a function of the application's agent, for at most `agentFunctionMsMax`.
 *
 * @throws FunctionFailed  It threw, or took too long. The message names it.
 * @throws NoWorker        This worker's agent has no such function, which the run's definition names.
 */
export async function callFunction<Name extends keyof AgentFunctions>(
  agent: AnyAgent,
  name: Name,
  ...given: Parameters<NonNullable<AgentFunctions[Name]>>
): Promise<unknown> {
  const own = agent.functions[name] as ((...all: readonly unknown[]) => unknown) | undefined;
  if (own === undefined) throw lacking(agent, name);
  let timer: NodeJS.Timeout | undefined;
  const overdue = new Promise<never>((_, reject) => {
    timer = setTimeout(
      () => reject(functionFailed(agent, name, `took longer than ${limits.agentFunctionMsMax} ms`)),
      limits.agentFunctionMsMax,
    );
  });
  const said = (): unknown => {
    const beganMs = performance.now();
    const value = own(...given);
    // One that holds the thread holds the timer too.
    if (performance.now() - beganMs > limits.agentFunctionMsMax)
      throw functionFailed(agent, name, `took longer than ${limits.agentFunctionMsMax} ms`);
    return value;
  };
  try {
    return await Promise.race([Promise.resolve().then(said), overdue]);
  } catch (error) {
    if (error instanceof BelayerError && error.type === failureType.functionFailed) throw error;
    throw functionFailed(
      agent,
      name,
      `threw: ${error instanceof Error ? error.message : String(error)}`,
    );
  } finally {
    clearTimeout(timer);
  }
}

/**
 * A reply that could not be judged must not be paid for.
 *
 * @throws NoWorker  This worker's agent lacks a function that the run's definition names.
 */
export function requireFunctions(
  agent: AnyAgent,
  { functions }: Pick<FrozenAgent, 'functions'>,
): void {
  for (const name of functions)
    if (known.has(name) && agent.functions[name as keyof AgentFunctions] === undefined)
      throw lacking(agent, name);
}

const known = new Set<string>([
  'route',
  'check',
  'stopWhen',
  'cascade.confidence',
  'stopWhen.confidence',
] satisfies (keyof AgentFunctions)[]);

const lacking = (agent: AnyAgent, name: string): Error =>
  noWorker(`This worker's agent \`${agent.name}\` has no function \`${name}\`.`);

export const functionFailed = (
  agent: AnyAgent,
  name: keyof AgentFunctions,
  problem: string,
): BelayerError =>
  new BelayerError(
    failureType.functionFailed,
    `\`${name}\` of agent \`${agent.name}\` ${problem}.`.slice(0, limits.toolErrorCharsMax),
  );
