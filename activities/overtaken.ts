import { ApplicationFailure } from '@temporalio/common';
import { failureType } from '../contracts/failures.ts';

/** Of an attempt that came too late to be the one that counts. */
export const overtaken = (position: string): ApplicationFailure =>
  ApplicationFailure.create({
    type: failureType.attemptOvertaken,
    message: `A later attempt holds position ${position}; this one changed nothing.`,
  });
