import type { JsonSchema } from '../../contracts/definitions.ts';
import { WrongUsage } from './exit-codes.ts';
import { readText } from './read-text.ts';
import type { Terminal } from './terminal.ts';

/**
 * The input of a run, from words or from `--input`.
 *
 * An agent without an input schema takes the text as it is. For one with a schema `--input` is JSON, and
 * words are taken as JSON where they are that.
 */
export async function readRunInput(
  given: { readonly text: string | undefined; readonly input: string | undefined },
  schema: JsonSchema | undefined,
  terminal: Pick<Terminal, 'folder' | 'readInput'>,
): Promise<unknown> {
  const { text, input } = given;
  if (text !== undefined && input !== undefined)
    throw new WrongUsage('The input is given twice: in words and with --input. Give one of them.');
  if (input !== undefined) {
    const read = await readText('--input', input, terminal);
    return schema === undefined ? read : parseOrThrow(read, input);
  }
  if (text === undefined)
    throw new WrongUsage(
      `The run has no input. ${schema === undefined ? 'Give it in words: belayer run agent.ts "Where is A-17?"' : `Give it as JSON: --input '{ ... }', --input @file.json or --input - for stdin.`}`,
    );
  if (schema === undefined || schema['type'] === 'string') return text;
  try {
    return JSON.parse(text) as unknown;
  } catch {
    // The schema's own check says what is expected.
    return text;
  }
}

function parseOrThrow(text: string, named: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new WrongUsage(
      `--input ${named.length > 60 ? `${named.slice(0, 60)}...` : named} is not JSON: ${(error as Error).message}`,
    );
  }
}
