import type { CallModelInput } from '../contracts/agent-run.ts';
import { limits } from '../contracts/limits.ts';
import { untilStored } from '../storage/database.ts';
import type { OpenedModelCall, OpenModelCall } from '../storage/ledger.ts';
import type { ActivityCall } from './activity-call.ts';
import type { ActivityDependencies } from './dependencies.ts';
import type { PreparedPrompt } from './prepare-prompt.ts';

export interface CallToClaim {
  readonly input: CallModelInput;
  readonly prompt: PreparedPrompt;
}

/** What every claim of the call says, whatever it sets aside. */
export const claimOfModelCall = (
  call: ActivityCall,
  { input, prompt }: CallToClaim,
): Omit<OpenModelCall, 'reserveMicroUsd' | 'reserveTokens' | 'wantFrom'> => ({
  run: call.run,
  position: input.position,
  token: call.token,
  model: input.model,
  requestHash: prompt.requestHash,
  chain: input.transcript.chain,
  from: input.transcript.length,
  entries: prompt.entries,
  sendMs: input.timeoutMs,
});

/** Claims a call that no model is asked for: nothing is asked, so nothing is set aside. */
export async function claimUnasked(
  deps: ActivityDependencies,
  call: ActivityCall,
  made: CallToClaim,
): Promise<{ readonly opened: OpenedModelCall; readonly deadlineMs: number }> {
  const deadlineMs = Date.now() + (made.input.near === true ? 0 : limits.storageHoldMsMax);
  const opened = await untilStored(
    () =>
      deps.ledger.openModelCall({
        ...claimOfModelCall(call, made),
        reserveMicroUsd: 0,
        reserveTokens: 0,
      }),
    { deadlineMs, signal: call.cancelled },
  );
  return { opened, deadlineMs };
}

/** What it costs. */
export const nothing = { costMicroUsd: 0, tokens: 0 };
