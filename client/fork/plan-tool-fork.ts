/**
 * A fork at a tool call shares the reply that asked for it, and what became of the calls beside it.
 *
 * 1. What had come to an end in the parent is shared and never run again; what had not runs in the fork.
 * 2. A write beside it that is under way, or whose outcome nobody knows, refuses the fork: running it again
 *    could repeat it, and leaving it out would say that it did not happen.
 */
import type { EntryRef, ProposedCall } from '../../contracts/agent-run.ts';
import type { FrozenAgent } from '../../contracts/definitions.ts';
import { BelayerError, failureType } from '../../contracts/failures.ts';
import { limits } from '../../contracts/limits.ts';
import { type Position, toolPosition } from '../../contracts/positions.ts';
import { canonicalJson } from '../../rules/canonical-json.ts';
import { toolErrorMessage, toolMessage } from '../../rules/render-message.ts';
import type { GivenResult } from '../../storage/forks/insert-fork.ts';
import type { AskingReply, StepCallRow } from '../../storage/forks/parent.ts';
import { fitsSchema } from '../../storage/fits-schema.ts';
import { sha256 } from '../../storage/hash.ts';
import type { ForkWish } from './check-fork.ts';

export interface ToolForkPlan {
  /** The reply of the model call, with the arguments that were edited. */
  readonly fragment: string;
  readonly results: readonly GivenResult[];
}

export interface ToolFork {
  readonly run: string;
  readonly wish: ForkWish & { readonly index: number };
  readonly frozen: FrozenAgent;
  readonly asked: AskingReply;
  readonly rows: readonly StepCallRow[];
  /** What the workflow took for the end of each call. */
  readonly settled: readonly { readonly position: Position; readonly result: EntryRef }[];
}

/** @throws ForkRejected, InputRejected */
export function planToolFork(fork: ToolFork): ToolForkPlan {
  const { wish, asked, frozen } = fork;
  const { edit, index, step } = wish;
  const results = asked.answer.calls.flatMap((proposed, other): readonly GivenResult[] => {
    const call = lookAt(fork, { proposed, position: toolPosition(step, other) });
    if (other !== index) return call.shared('beside');
    if (edit.result !== undefined) return [givenResult(frozen, call, edit.result)];
    if (edit.arguments !== undefined) {
      call.refuseSameWrite(sha256(canonicalJson(edit.arguments)));
      return [];
    }
    // What changes nothing outside is asked again; what was done is not done twice.
    return call.isWrite ? call.shared('itself') : [];
  });
  return { fragment: withArguments(asked.fragment, index, edit.arguments), results };
}

/** One call of the reply as it stands in the parent. */
function lookAt(
  { rows, settled, frozen, run }: ToolFork,
  { proposed, position }: { readonly proposed: ProposedCall; readonly position: Position },
) {
  // The call, and the tools that were tried in its place, in their order.
  const tried = rows.filter(
    (row) => row.position === position || row.position.startsWith(`${position}/fallback-`),
  );
  const writes = tried.filter(
    ({ kind, name }) =>
      kind === 'child' ||
      frozen.tools.find((tool) => tool.name === name)?.policy.effect === 'write',
  );
  const open = writes.find(({ state }) => state === 'claimed' || state === 'unknown');
  const done = tried.findLast(({ state }) => state === 'done');
  const named = { position, tool: proposed.tool, requestHash: proposed.argumentsHash };
  const refuseOpen = (what: 'beside' | 'itself'): void => {
    if (open === undefined) return;
    const subject = open.kind === 'child' ? `sub-agent \`${open.name}\`` : `write \`${open.name}\``;
    throw new BelayerError(
      failureType.forkRejected,
      `Run \`${run}\` cannot be forked there: the ${subject} at \`${open.position}\`${what === 'beside' ? ', beside it,' : ''} is ${open.state === 'unknown' ? 'of unknown outcome: nobody knows whether it happened' : 'under way'}. ${open.state === 'unknown' ? `Settle it in the parent (belayer inbox)${what === 'itself' ? ', or give its result' : ''}.` : 'Wait until it has ended.'} Nothing was started.`,
    );
  };
  return {
    ...named,
    id: proposed.id,
    isWrite: writes.length > 0,
    refuseSameWrite(argumentsHash: string): void {
      const same = writes.find(
        ({ state, requestHash }) => state !== 'open' && requestHash === argumentsHash,
      );
      if (same === undefined) return;
      throw new BelayerError(
        failureType.forkRejected,
        `Run \`${run}\` cannot be forked there with these arguments: they are those of the write \`${same.name}\` at \`${same.position}\`, which ${same.state === 'done' ? 'has been done' : 'may have been done'} and is not done again. Nothing was started.`,
      );
    },
    shared(what: 'beside' | 'itself'): readonly GivenResult[] {
      if (done?.fragment != null && done.answer?.kind === 'done') {
        const { status, code } = done.answer;
        return [
          { ...named, status, ...(code === undefined ? {} : { code }), fragment: done.fragment },
        ];
      }
      const ended = settled.find((call) => call.position === position)?.result;
      // One that could never run is refused again by whoever judges the reply.
      const note =
        ended !== undefined && 'error' in ended && proposed.error === undefined
          ? ended.error
          : undefined;
      // A denial of the call itself is asked again; that nobody knows what it did stays true.
      if (note !== undefined && (what === 'beside' || open !== undefined))
        return [
          {
            ...named,
            status: 'failed',
            code: note.code,
            fragment: toolErrorMessage(proposed.id, note),
          },
        ];
      refuseOpen(what);
      return [];
    },
  };
}

/** Characters of text for one token, as where a tool's own result is cut. */
const charsPerToken = 4;

function givenResult(
  { tools, limits: own }: FrozenAgent,
  {
    position,
    tool,
    requestHash,
    id,
  }: Omit<GivenResult, 'fragment' | 'status'> & { readonly id: string },
  value: unknown,
): GivenResult {
  const frozen = tools.find(({ name }) => name === tool);
  const refuse = (message: string): BelayerError =>
    new BelayerError(failureType.inputRejected, `${message} Nothing was started.`);
  const mistakes =
    frozen?.outputSchema === undefined ? [] : fitsSchema(frozen.outputSchema, value, 'result');
  if (mistakes.length > 0)
    throw refuse(
      `The result for \`${position}\` does not fit the output schema of \`${tool}\`:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}\n`,
    );
  const text = typeof value === 'string' ? value : JSON.stringify(value);
  const charsMax = Math.min(
    (frozen?.resultTokensMax ?? own.toolResultTokens) * charsPerToken,
    limits.toolResultBytesMax,
  );
  if (text.length > charsMax)
    throw refuse(
      `The result for \`${position}\` has ${text.length} characters; the model sees at most ${charsMax} of \`${tool}\`.`,
    );
  return { position, tool, requestHash, status: 'ok', fragment: toolMessage(id, text) };
}

/** The reply as if the model had asked with other arguments. */
function withArguments(fragment: string, index: number, given: unknown): string {
  if (given === undefined) return fragment;
  const message = JSON.parse(fragment) as {
    readonly tool_calls: { readonly function: { arguments: string } }[];
  };
  const call = message.tool_calls[index];
  if (call !== undefined) call.function.arguments = canonicalJson(given);
  return JSON.stringify(message);
}
