/**
 * Which process a pid means. A pid alone is not enough: the kernel gives it to another program
 * after the first one's death, and a container starts its numbers again at 1.
 */
import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';

export interface ProcessIdentity {
  readonly pid: number;
  /** When it started, in the system's own terms: clock ticks since boot on Linux, a date elsewhere. Only compared, never read. */
  readonly startedAt: string;
}

/** The identity of a living process; undefined when there is none. A zombie counts as dead: it holds no file and no port. */
export function identityOf(pid: number): ProcessIdentity | undefined {
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  if (process.platform === 'linux') {
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
      // The second field is the program's name in brackets and may hold spaces; fields are counted after it.
      const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
      const startedAt = fields[19];
      return fields[0] === 'Z' || fields[0] === 'X' || startedAt === undefined
        ? undefined
        : { pid, startedAt };
    } catch {
      return undefined;
    }
  }
  const line = askPs(pid, 'state=,lstart=');
  return line === undefined || line.startsWith('Z')
    ? undefined
    : { pid, startedAt: line.replace(/^\S+\s+/, '') };
}

export function isAlive(identity: ProcessIdentity): boolean {
  return identityOf(identity.pid)?.startedAt === identity.startedAt;
}

/** The command line of a living process, its words separated by spaces; empty when it cannot be read. */
export function commandLineOf(pid: number): string {
  if (process.platform === 'linux') {
    try {
      return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0').join(' ').trim();
    } catch {
      return '';
    }
  }
  return askPs(pid, 'command=') ?? '';
}

function askPs(pid: number, columns: string): string | undefined {
  try {
    const text = execFileSync('ps', ['-o', columns, '-p', String(pid)], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    }).trim();
    return text === '' ? undefined : text;
  } catch {
    return undefined;
  }
}
