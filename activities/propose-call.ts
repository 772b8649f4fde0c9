/** From arguments that somebody made for a tool to a call that the gate can judge. */
import type { z } from 'zod';
import { type ProposedCall, toolErrorCode } from '../contracts/agent-run.ts';
import { limits } from '../contracts/limits.ts';
import type { Tool } from '../definitions/internal.ts';
import { canonicalJson } from '../rules/canonical-json.ts';
import { sha256 } from '../storage/hash.ts';
import { describeIssues } from './describe-issues.ts';

/** What a call is named by, whatever becomes of it. */
export type NamedCall = Pick<ProposedCall, 'id' | 'tool'>;

/** A call that can never run: the model is told why. `argumentsText` as they were written. */
export function refusedCall(
  named: NamedCall,
  argumentsText: string,
  because: { readonly code: string; readonly message: string; readonly hint?: string },
): ProposedCall {
  return {
    ...named,
    argumentsHash: sha256(argumentsText),
    error: { ...because, retryable: false, attempts: 0 },
  };
}

/** A call with arguments in JSON, checked against the tool's schema and asked about with its `approval`. */
export async function proposedCall(
  tool: Tool,
  named: NamedCall,
  argumentsText: string,
): Promise<ProposedCall> {
  const refuse = (message: string): ProposedCall =>
    refusedCall(named, argumentsText, { code: toolErrorCode.badArguments, message });
  if (Buffer.byteLength(argumentsText) > limits.argumentsBytesMax)
    return refuse(`The arguments exceed ${limits.argumentsBytesMax} bytes.`);
  let value: unknown;
  // What was written, not what the schema made of it: that is what a human approves.
  let text: string;
  try {
    value = JSON.parse(argumentsText === '' ? '{}' : argumentsText);
    text = canonicalJson(value);
  } catch {
    return refuse('The arguments are not valid JSON, or nested too deeply.');
  }
  const parsed = await safeParse(tool.input, value);
  if (!parsed.success) return refuse(`The arguments do not fit: ${parsed.problem}`);
  return {
    ...named,
    argumentsHash: sha256(text),
    ...(Buffer.byteLength(text) <= limits.argumentsInlineBytesMax ? { arguments: text } : {}),
    ...(asksHuman(tool, parsed.data) ? { ask: true as const } : {}),
  };
}

/** A schema's own function may throw on what a model wrote: that is a misfit too, not our fault. */
export async function safeParse<Value>(
  schema: z.ZodType<Value>,
  value: unknown,
): Promise<
  | { readonly success: true; readonly data: Value }
  | { readonly success: false; readonly problem: string }
> {
  try {
    const parsed = await schema.safeParseAsync(value);
    return parsed.success
      ? { success: true, data: parsed.data }
      : { success: false, problem: describeIssues(parsed.error) };
  } catch (error) {
    return {
      success: false,
      problem:
        `a check of the schema failed: ${error instanceof Error ? error.message : String(error)}`.slice(
          0,
          limits.toolErrorCharsMax,
        ),
    };
  }
}

/** An approval function that throws has not said no: a human is asked. */
function asksHuman(tool: Tool, input: Record<string, unknown>): boolean {
  try {
    return tool.asksHuman(input);
  } catch {
    return true;
  }
}
