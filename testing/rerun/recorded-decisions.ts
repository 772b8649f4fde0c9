/** What people decide in a rerun that went its own way: what they decided about the same thing then. */
import type { CloseRequestOutput } from '../../contracts/agent-run.ts';
import type { Position } from '../../contracts/positions.ts';
import { toolMessage } from '../../rules/render-message.ts';
import {
  callAt,
  type Decision,
  originOf,
  requestAt,
  type RequestState,
  type RunState,
} from '../../rules/run-state.ts';
import {
  afterDecision,
  afterRequestClosed,
  afterRequestClosing,
  afterRequestOpened,
} from '../../rules/transitions.ts';
import { contentOf } from '../../storage/transcript.ts';
import { sha256 } from '../../storage/hash.ts';
import type { RecordedRequest } from './recorded-run.ts';
import type { RecordedRequests } from './recorded-tools.ts';
import { type Rerunning, RerunStopped } from './rerunning.ts';
import type { Unheard } from './unheard-words.ts';

const decided: readonly string[] = ['approved', 'denied', 'expired', 'answered'];

/** @throws RerunStopped  The recording holds no such request. */
export function openRequest(
  rerun: Rerunning,
  before: RunState,
  position: Position,
  ahead: { readonly requests: RecordedRequests; readonly words: Unheard; readonly nowMs: number },
): RunState {
  const request = requestAt(before, position);
  const { call, tool } = subjectOf(before, request);
  const found = ahead.requests.take({
    kind: request.kind,
    about: request.about ?? '',
    tool,
    argumentsHash: request.argumentsHash,
  });
  const state = afterRequestOpened(before, position, ahead.nowMs + request.ask.deadlineMs);
  if (found !== undefined && decided.includes(found.state)) {
    rerun.decisions.set(position, found);
    return afterDecision(state, position, {
      verdict: found.state as Decision['verdict'],
      by: found.by === '' ? 'nobody' : found.by,
      via: 'run',
      ...(found.reason === undefined ? {} : { reason: found.reason }),
    });
  }
  // Extended, withdrawn, or open to this day: what people said besides may still settle it.
  if (found !== undefined) return state;
  throw new RerunStopped({
    position,
    what: 'request',
    ...(tool === '' ? {} : { tool }),
    ...(call === undefined ? {} : { arguments: JSON.parse(rerun.argumentsOf(call)) as unknown }),
    because: `A human is asked (${request.kind}${request.about === undefined ? '' : ` about ${request.about}`}), and the recording holds no decision about that.`,
  });
}

function subjectOf(state: RunState, request: RequestState) {
  if (request.call === '') return { tool: '', call: undefined };
  const call = callAt(state, request.call);
  const { proposed } = request.kind === 'escalation' ? originOf(call) : call;
  return { tool: proposed.tool, call: proposed };
}

export function closeRequest(rerun: Rerunning, before: RunState, position: Position): RunState {
  const state = afterRequestClosing(before, position);
  const recorded = rerun.decisions.get(position);
  const closed = recorded === undefined ? {} : outcomeOf(rerun, before, position, recorded);
  return afterRequestClosed(state, position, closed);
}

/** What an edit or an answer came to. */
function outcomeOf(
  rerun: Rerunning,
  state: RunState,
  position: Position,
  recorded: RecordedRequest,
): CloseRequestOutput {
  if (recorded.edited !== undefined) return { edited: recorded.edited };
  if (recorded.state !== 'answered') return {};
  const origin = originOf(callAt(state, requestAt(state, position).call));
  const recordedAt = recorded.call.split('/')[0] ?? '';
  const given = rerun.recorded.messageAt(recordedAt);
  if (given === undefined)
    throw new RerunStopped({
      position,
      what: 'recording',
      because: `The recording does not hold the answer to ${recorded.position}.`,
    });
  const message = toolMessage(origin.proposed.id, contentOf(given));
  rerun.made.set(origin.position, message);
  return {
    result: {
      kind: 'done',
      input: '',
      status: 'ok',
      hash: sha256(message),
      bytes: Buffer.byteLength(message),
      label: 'U',
    },
  };
}
