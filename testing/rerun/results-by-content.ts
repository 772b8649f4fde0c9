/** The result of a tool call that no history tells: from the recording, from today's code, or from nowhere. */
import type { RunToolOutput, ToolErrorNote } from '../../contracts/agent-run.ts';
import { toolErrorMessage, toolMessage } from '../../rules/render-message.ts';
import { type CallState, hasWayOut } from '../../rules/run-state.ts';
import { sha256 } from '../../storage/hash.ts';
import { mayRunLive, runToolLive, toolOf } from './live-tool.ts';
import type { RecordedResult, RecordedTools } from './recorded-tools.ts';
import type { StoppedAt } from './rerun-result.ts';
import { type Rerunning, RerunStopped } from './rerunning.ts';

export type FoundResult =
  | { readonly kind: 'result'; readonly output: RunToolOutput }
  /** The model was told why it came to nothing. */
  | { readonly kind: 'refused'; readonly error: ToolErrorNote };

/** @throws RerunStopped  There is none, and nothing may be run for it. */
export async function resultOf(
  rerun: Rerunning,
  call: CallState,
  tools: RecordedTools,
): Promise<FoundResult> {
  const { proposed } = call;
  const { settings } = rerun;
  const tool = toolOf(rerun.today, proposed.tool);
  if (settings.live.has(proposed.tool) && mayRunLive(tool)) return liveResult(rerun, call);
  const recorded = tools.take(proposed.tool, proposed.argumentsHash);
  if (recorded !== undefined) return recordedResult(rerun, call, recorded);
  const given = JSON.parse(rerun.argumentsOf(proposed)) as unknown;
  const stop = (what: StoppedAt['what'], because: string): RerunStopped =>
    new RerunStopped({
      position: call.position,
      what,
      tool: proposed.tool,
      arguments: given,
      because,
    });
  if (call.policy.agent !== undefined)
    throw stop('sub-agent', 'The recording holds no run of this sub-agent with these arguments.');
  if (call.policy.effect === 'write')
    throw stop('write', 'The recording holds no such call, and a rerun never performs a write.');
  if (settings.unmatched === 'live' && mayRunLive(tool)) return liveResult(rerun, call);
  if (settings.unmatched === 'ask') {
    const answer = await settings.ask?.({
      run: rerun.recorded.run,
      position: call.position,
      tool: proposed.tool,
      arguments: JSON.stringify(given),
    });
    if (answer !== undefined)
      return done(rerun, call, { message: toolMessage(proposed.id, answer), status: 'ok' });
  }
  throw stop('tool call', 'The recording holds no result of this tool with these arguments.');
}

function recordedResult(rerun: Rerunning, call: CallState, found: RecordedResult): FoundResult {
  rerun.countRecorded(found.position);
  const { costMicroUsd } = found;
  switch (found.kind) {
    case 'done':
      return done(rerun, call, {
        message: toolMessage(call.proposed.id, found.content),
        status: found.isFailure ? 'failed' : 'ok',
        costMicroUsd,
      });
    case 'error':
      return { kind: 'refused', error: found.error };
    case 'exhausted':
      if (hasWayOut(call))
        return { kind: 'result', output: { kind: 'exhausted', input: '', error: found.error } };
      return done(rerun, call, {
        message: toolErrorMessage(call.proposed.id, found.error),
        status: 'failed',
        costMicroUsd,
      });
    default:
      return found satisfies never;
  }
}

async function liveResult(rerun: Rerunning, call: CallState): Promise<FoundResult> {
  const { proposed, position, instead, edited } = call;
  const ran = await runToolLive(
    rerun.today,
    {
      run: rerun.recorded.run,
      position,
      id: proposed.id,
      tool: proposed.tool,
      argumentsHash: proposed.argumentsHash,
      arguments: rerun.argumentsOf(proposed),
      customer: rerun.recorded.customer,
      ...(instead === undefined ? {} : { instead }),
      ...(edited === undefined ? {} : { edited }),
    },
    rerun.settings,
  );
  rerun.countLive(ran.costMicroUsd, 0);
  return done(rerun, call, ran);
}

function done(
  rerun: Rerunning,
  { position }: CallState,
  result: {
    readonly message: string;
    readonly status: 'ok' | 'failed';
    readonly costMicroUsd?: number;
  },
): FoundResult {
  const { message, status, costMicroUsd = 0 } = result;
  rerun.made.set(position, message);
  return {
    kind: 'result',
    output: {
      kind: 'done',
      input: '',
      status,
      hash: sha256(message),
      bytes: Buffer.byteLength(message),
      ...(costMicroUsd === 0 ? {} : { costMicroUsd }),
      label: 'U',
    },
  };
}
