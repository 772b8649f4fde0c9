import { limits } from '../contracts/limits.ts';

/**
 * How long one execution of a call waits for an equal one that is under way: as long as one attempt of that may take
 * and be recorded, and, where its worker died with it, until that is known. Behind it the run waits, and not a worker.
 *
 * @param timeoutMs  Of one attempt.
 */
export const equalCallWaitMs = (timeoutMs: number): number =>
  timeoutMs + limits.settlingMs + limits.cacheLeaseMs;
