/** What the `belayer` command ends with: scripts branch on these, so a number never changes its meaning. */
import type { StopReason } from '../../contracts/agent-run.ts';
import { BelayerError, failureType, type FailureType } from '../../contracts/failures.ts';
import type { Outcome } from '../run.ts';

export const exitCode = {
  done: 0,
  /** The run failed, or a check found something. */
  failed: 1,
  wrongUsage: 2,
  limitReached: 3,
  halted: 4,
  waitsForHuman: 5,
  /** `EX_UNAVAILABLE` of sysexits.h. */
  unreachable: 69,
  /** What a shell gives for a program ended by Ctrl-C. */
  interrupted: 130,
} as const;

export function exitCodeOfOutcome(
  outcome: Pick<Outcome, 'kind'> & { because?: StopReason },
): number {
  if (outcome.kind === 'done') return exitCode.done;
  if (outcome.kind === 'failed' || outcome.because === undefined) return exitCode.failed;
  switch (outcome.because) {
    case 'halted':
      return exitCode.halted;
    // Nothing was used up: the model would not.
    case 'model-refused':
      return exitCode.failed;
    case 'budget-spent':
    case 'throttled':
    case 'cost-limit':
    case 'token-limit':
    case 'step-limit':
    case 'wall-limit':
    case 'deadline':
    case 'context-full':
    case 'ceiling-breached':
      return exitCode.limitReached;
    default:
      outcome.because satisfies never;
      return exitCode.limitReached;
  }
}

/** A mistake in the command line that commander does not see. */
export class WrongUsage extends Error {}

const codeByType: Partial<Record<FailureType, number>> = {
  [failureType.serverUnreachable]: exitCode.unreachable,
  [failureType.serverMissing]: exitCode.unreachable,
  [failureType.storageUnavailable]: exitCode.unreachable,
  [failureType.inputRejected]: exitCode.wrongUsage,
  [failureType.settingsRejected]: exitCode.wrongUsage,
  [failureType.agentUnknown]: exitCode.wrongUsage,
  [failureType.deploymentRejected]: exitCode.wrongUsage,
  [failureType.runUnknown]: exitCode.wrongUsage,
  [failureType.requestUnknown]: exitCode.wrongUsage,
  [failureType.keyReused]: exitCode.wrongUsage,
  [failureType.runImported]: exitCode.wrongUsage,
  [failureType.runIdTaken]: exitCode.wrongUsage,
};

export function exitCodeOfError(error: unknown): number {
  if (error instanceof WrongUsage) return exitCode.wrongUsage;
  return isBelayerError(error) ? (codeByType[error.type] ?? exitCode.failed) : exitCode.failed;
}

/** An application may hold another copy of this package: its errors are known by their type, not their class. */
export const isBelayerError = (error: unknown): error is BelayerError =>
  error instanceof BelayerError ||
  (error instanceof Error && Object.values<string>(failureType).includes(error.name));
