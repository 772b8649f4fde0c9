import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import type { AnyAgent } from '../definitions/internal.ts';
import { contentOf, readFragments } from '../storage/transcript.ts';
import type { ActivityDependencies } from './dependencies.ts';

/** The input that a run was started with, parsed by its agent's schema, for the functions of the agent. */
export async function runInput(
  deps: ActivityDependencies,
  run: string,
  chain: number,
  agent: AnyAgent,
): Promise<unknown> {
  const key = `input.${run}.${chain}`;
  let words = deps.transcripts.fragment(key);
  if (words === undefined) {
    const [first = ''] = await readFragments(deps.database, run, { chain, from: 0, length: 1 });
    words = contentOf(first);
    deps.transcripts.keepFragment(key, words);
  }
  return parsedInput(agent, words);
}

/** From the words of the first message. @throws FunctionFailed  They do not fit. */
export async function parsedInput(agent: AnyAgent, words: string): Promise<unknown> {
  if (agent.input === undefined) return words;
  try {
    return await agent.input.parseAsync(JSON.parse(words));
  } catch (error) {
    throw new BelayerError(
      failureType.functionFailed,
      `The input of the run does not fit the \`input\` schema that agent \`${agent.name}\` has on this worker, and its functions are told it: ${error instanceof Error ? error.message : String(error)}`.slice(
        0,
        limits.toolErrorCharsMax,
      ),
    );
  }
}
