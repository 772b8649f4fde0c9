/** Puts a question to a human on record, and what was decided. */
import type {
  CloseRequestInput,
  OpenRequestInput,
  OpenRequestOutput,
} from '../contracts/agent-run.ts';
import { closeRequestRow, insertRequest } from '../storage/requests.ts';
import { beginActivityCall } from './activity-call.ts';
import { argumentsOf } from './arguments-of.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { toActivityFailure } from './to-activity-failure.ts';

export function createOpenRequest({ database, worker }: ActivityDependencies) {
  return async function openRequest(input: OpenRequestInput): Promise<OpenRequestOutput> {
    const call = beginActivityCall(worker);
    try {
      const text = await argumentsOf(database, call.run, input);
      return await insertRequest(database, call.run, { ...input, arguments: text });
    } catch (error) {
      throw toActivityFailure(error);
    } finally {
      call.end();
    }
  };
}

export function createCloseRequest({ database, worker }: ActivityDependencies) {
  return async function closeRequest(input: CloseRequestInput): Promise<void> {
    const call = beginActivityCall(worker);
    try {
      await closeRequestRow(database, call.run, input);
    } catch (error) {
      throw toActivityFailure(error);
    } finally {
      call.end();
    }
  };
}
