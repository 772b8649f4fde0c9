import { ApplicationFailure, TemporalFailure } from '@temporalio/common';
import { BelayerError, failureType } from '../contracts/failures.ts';

/** Failures that pass by themselves: the platform tries again. */
const retried = new Set<string>([failureType.storageUnavailable, failureType.attemptOvertaken]);

/**
 * What leaves an activity. Ours carry their type; Temporal's own pass as they are; anything else is
 * a fault in our code or in the application's, and is retried by the activity's policy.
 */
export function toActivityFailure(error: unknown): unknown {
  if (error instanceof TemporalFailure) return error;
  if (error instanceof Error && error.name === 'AbortError') return error;
  if (error instanceof BelayerError)
    return ApplicationFailure.create({
      type: error.type,
      message: error.message,
      nonRetryable: !retried.has(error.type),
    });
  return error;
}
