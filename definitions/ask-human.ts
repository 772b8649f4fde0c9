import { z } from 'zod';
import { invariant } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { makeTool } from './define-tool.ts';
import { checkKeys } from './known-keys.ts';
import { Mistakes } from './mistakes.ts';
import type { Tool } from './tool.ts';
import type { Ask } from './tool-spec.ts';

/** What `askHuman` takes. */
export interface AskHumanOptions extends Omit<Ask, 'recordedOnly'> {
  /** Default: 'ask_human'. */
  readonly name?: string;
  /** For the model: when it should ask. */
  readonly description?: string;
}

const known = ['name', 'description', 'deadline', 'deciders', 'escalateTo'];
const question = z.object({
  question: z
    .string()
    .min(1)
    .max(limits.questionCharsMax)
    .describe('One question, with all that is needed to answer it.'),
  options: z.array(z.string()).optional().describe('Answers to choose from, where there are any.'),
});

/**
 * A tool by which the model asks a human: the answer is its result. Where nobody answers in time the
 * model is told `unanswered`.
 *
 * @throws BelayerError `DefinitionRejected`, as `defineTool`.
 */
export function askHuman(options: AskHumanOptions = {}): Tool<typeof question, undefined> {
  const mistakes = new Mistakes();
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    mistakes.add(
      `the options are ${typeof options === 'string' ? JSON.stringify(options) : String(options)}; they must be an object, such as { deadline: '1 hour' }`,
    );
    mistakes.throwIfAny('askHuman()');
  }
  const { cache, ...others } = options as typeof options & { readonly cache?: unknown };
  checkKeys(others, { where: '', known }, mistakes);
  if (cache !== undefined)
    mistakes.add('`cache`: this tool is a question to a human, and each is asked');
  mistakes.throwIfAny('askHuman()');
  const { name, description, ...ask } = options;
  return makeTool(
    {
      name: name ?? 'ask_human',
      description:
        description ??
        'Asks a human a question and gives the answer. For what only a person can know or decide.',
      effect: 'none',
      input: question,
      ...(Object.values(ask).every((value) => value === undefined) ? {} : { ask }),
      run: () => invariant(false, 'a question to a human has no `run`'),
    },
    { question: true },
  );
}
