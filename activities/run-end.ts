/** What a run does about itself: raise its own stop flag, say that it waits, and close its books. */
import type { CloseRunInput, NoteEventInput } from '../contracts/agent-run.ts';
import { storableJson } from '../storage/storable.ts';
import { asActivity } from './activity-call.ts';
import type { ActivityDependencies } from './dependencies.ts';

/** A halt by raw signal: from here on no claim of the run commits. */
export function createRaiseFlag({ ledger, worker }: ActivityDependencies) {
  return asActivity(
    worker,
    async (
      halt: {
        readonly reason: string;
        readonly by: string;
      },
      call,
    ): Promise<void> => {
      await ledger.raiseFlag('run', call.run, halt.reason, halt.by);
    },
  );
}

/** A run that waits for a worker with its application says so, once each time. */
export function createNoteWaiting({ database, worker }: ActivityDependencies) {
  return asActivity(
    worker,
    async (
      waiting: {
        readonly reason: 'no-worker';
        readonly detail: string;
      },
      call,
    ): Promise<void> => {
      await database.query(
        {
          name: 'note_waiting',
          text: `select belayer.add_event(no, 'run.waiting', null, $2) from belayer.run where id = $1`,
        },
        [call.run, JSON.stringify(waiting)],
      );
    },
  );
}

/** Something that happened to the run itself, for those who watch it. */
export function createNoteEvent({ database, worker }: ActivityDependencies) {
  return asActivity(worker, async (note: NoteEventInput, call): Promise<void> => {
    await database.query(
      { name: 'note_event', text: 'select belayer.note_event($1,$2,$3,$4,$5)' },
      [call.run, note.kind, note.position ?? null, storableJson(note.body), note.state ?? null],
    );
  });
}

/** Ends the run's calls that may be ended, on whatever worker they are. */
export function createInterruptCalls({ database, worker }: ActivityDependencies) {
  return asActivity(worker, async (_nothing: void, call): Promise<void> => {
    await database.query(
      { name: 'interrupt_calls', text: `select pg_notify('belayer_interrupt', $1)` },
      [call.run],
    );
  });
}

export function createCloseRun({ ledger, worker }: ActivityDependencies) {
  return asActivity(worker, async (input: CloseRunInput, call): Promise<void> => {
    await ledger.closeRun(call.run, input);
  });
}
