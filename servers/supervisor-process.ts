import { commandLineOf, isAlive, type ProcessIdentity } from './process-identity.ts';
import { readRecord } from './servers-record.ts';

/** The supervisor that a record names, if exactly that process lives and is one; whether it answers is another question. */
export function livingSupervisor(record: string): ProcessIdentity | undefined {
  const { supervisor } = readRecord(record);
  return supervisor !== undefined &&
    isAlive(supervisor) &&
    commandLineOf(supervisor.pid).includes('supervisor-main')
    ? supervisor
    : undefined;
}
