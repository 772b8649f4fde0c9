import type { Hash } from '../contracts/agent-run.ts';
import { invariant } from '../contracts/failures.ts';
import type { Position } from '../contracts/positions.ts';
import { canonicalJson } from '../rules/canonical-json.ts';
import type { Database } from '../storage/database.ts';
import { readEditedArguments } from '../storage/edited-arguments.ts';
import { readKeptArguments } from '../storage/fallbacks.ts';
import { sha256 } from '../storage/hash.ts';
import { readCallFragment } from '../storage/transcript.ts';

/**
 * The canonical JSON of a call's arguments: from history, or, where they were too long for it, from
 * the reply that asked, from the decision that changed them, or from where a fallback's were kept.
 * Either way they hash to what the gate and the approver saw.
 */
export async function argumentsOf(
  database: Database,
  run: string,
  call: {
    readonly arguments?: string;
    readonly argumentsHash: Hash;
    readonly from: Position;
    readonly id: string;
    /** The approval by which a human changed them. */
    readonly edited?: Position;
  },
): Promise<string> {
  const { argumentsHash, edited } = call;
  const isThat = (text: string | undefined): text is string =>
    text !== undefined && sha256(text) === argumentsHash;
  if (isThat(call.arguments)) return call.arguments;
  invariant(call.arguments === undefined, 'the arguments are those that were decided on');
  const changed =
    edited === undefined ? undefined : await readEditedArguments(database, run, edited);
  if (isThat(changed)) return changed;
  const kept = await readKeptArguments(database, argumentsHash);
  if (isThat(kept)) return kept;
  const asked = await fromReply(database, run, call.from, call.id);
  invariant(isThat(asked), 'the arguments are those that were decided on');
  return asked;
}

async function fromReply(
  database: Database,
  run: string,
  from: Position,
  id: string,
): Promise<string> {
  const message = JSON.parse(await readCallFragment(database, run, from)) as {
    readonly tool_calls?: readonly {
      readonly id: string;
      readonly function: { readonly arguments: string };
    }[];
  };
  const call = message.tool_calls?.find((candidate) => candidate.id === id);
  invariant(call !== undefined, `the reply at ${from} has a call ${id}`);
  return canonicalJson(JSON.parse(call.function.arguments));
}
