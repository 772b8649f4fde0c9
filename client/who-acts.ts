import { userInfo } from 'node:os';
import type { Environment } from './settings.ts';

/** Who decides and halts where a call does not say. Containers often have no `USER`. */
export function whoActs(environment: Environment): string {
  const named = environment['USER'];
  if (named !== undefined && named !== '') return named;
  try {
    return userInfo().username;
  } catch {
    // A user id without an entry in the system's list.
    return `user ${process.getuid?.() ?? 'unknown'}`;
  }
}
