import type { Hash } from '../contracts/agent-run.ts';
import { invariant } from '../contracts/failures.ts';
import type { Position } from '../contracts/positions.ts';
import { canonicalJson } from '../rules/canonical-json.ts';
import type { Database } from '../storage/database.ts';
import { sha256 } from '../storage/hash.ts';
import { readCallFragment } from '../storage/transcript.ts';

/**
 * The canonical JSON of a call's arguments: from history, or, where they were too long for it, from
 * the reply that asked. Either way they hash to what the gate and the approver saw.
 */
export async function argumentsOf(
  database: Database,
  run: string,
  call: {
    readonly arguments?: string;
    readonly argumentsHash: Hash;
    readonly from: Position;
    readonly id: string;
  },
): Promise<string> {
  const text = call.arguments ?? (await fromReply(database, run, call.from, call.id));
  invariant(sha256(text) === call.argumentsHash, 'the arguments are those that were decided on');
  return text;
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
