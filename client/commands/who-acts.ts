import { userInfo } from 'node:os';
import type { Terminal } from './terminal.ts';

/** Who decides and halts where the command line does not say. Containers often have no `USER`. */
export function whoActs({ environment }: Pick<Terminal, 'environment'>): string {
  const named = environment['USER'];
  if (named !== undefined && named !== '') return named;
  try {
    return userInfo().username;
  } catch {
    // A user id without an entry in the system's list.
    return `user ${process.getuid?.() ?? 'unknown'}`;
  }
}
