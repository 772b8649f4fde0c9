/** What a run does about itself: raise its own stop flag, say that it waits, and close its books. */
import type { CloseRunInput, NoteEventInput } from '../contracts/agent-run.ts';
import { storableJson } from '../storage/storable.ts';
import { beginActivityCall } from './activity-call.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { toActivityFailure } from './to-activity-failure.ts';

/** A halt by raw signal: from here on no claim of the run commits. */
export function createRaiseFlag({ ledger, worker }: ActivityDependencies) {
  return async function raiseFlag(halt: {
    readonly reason: string;
    readonly by: string;
  }): Promise<void> {
    const call = beginActivityCall(worker);
    try {
      await ledger.raiseFlag('run', call.run, halt.reason, halt.by);
    } catch (error) {
      throw toActivityFailure(error);
    } finally {
      call.end();
    }
  };
}

/** A run that waits for a worker with its application says so, once each time. */
export function createNoteWaiting({ database, worker }: ActivityDependencies) {
  return async function noteWaiting(waiting: {
    readonly reason: 'no-worker';
    readonly detail: string;
  }): Promise<void> {
    const call = beginActivityCall(worker);
    try {
      await database.query(
        {
          name: 'note_waiting',
          text: `select belayer.add_event(no, 'run.waiting', null, $2) from belayer.run where id = $1`,
        },
        [call.run, JSON.stringify(waiting)],
      );
    } catch (error) {
      throw toActivityFailure(error);
    } finally {
      call.end();
    }
  };
}

/** Something that happened to the run itself, for those who watch it. */
export function createNoteEvent({ database, worker }: ActivityDependencies) {
  return async function noteEvent(note: NoteEventInput): Promise<void> {
    const call = beginActivityCall(worker);
    try {
      await database.query(
        { name: 'note_event', text: 'select belayer.note_event($1,$2,$3,$4,$5)' },
        [call.run, note.kind, note.position ?? null, storableJson(note.body), note.state ?? null],
      );
    } catch (error) {
      throw toActivityFailure(error);
    } finally {
      call.end();
    }
  };
}

/** Ends the run's calls that may be ended, on whatever worker they are. */
export function createInterruptCalls({ database, worker }: ActivityDependencies) {
  return async function interruptCalls(): Promise<void> {
    const call = beginActivityCall(worker);
    try {
      await database.query(
        { name: 'interrupt_calls', text: `select pg_notify('belayer_interrupt', $1)` },
        [call.run],
      );
    } catch (error) {
      throw toActivityFailure(error);
    } finally {
      call.end();
    }
  };
}

export function createCloseRun({ ledger, worker }: ActivityDependencies) {
  return async function closeRun(input: CloseRunInput): Promise<void> {
    const call = beginActivityCall(worker);
    try {
      await ledger.closeRun(call.run, input);
    } catch (error) {
      throw toActivityFailure(error);
    } finally {
      call.end();
    }
  };
}
