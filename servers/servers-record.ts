import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import type { ProcessIdentity } from './process-identity.ts';
import type { ServerName } from './server-addresses.ts';

export interface RecordedServer {
  /** Absent while it is not running. */
  readonly process?: ProcessIdentity;
  readonly command: string;
  readonly args: readonly string[];
  /** Kept over stops, so that a project's addresses stay the same. */
  readonly ports: Readonly<Record<string, number>>;
  readonly version: string;
  /** Stands in the command line of this server and no other. */
  readonly mark: string;
}

/** What `servers.json` says: it outlives a supervisor that is killed, and the next one finds its children by it. No secrets. */
export interface ServersRecord {
  readonly supervisor?: ProcessIdentity;
  readonly servers: Partial<Record<ServerName, RecordedServer>>;
}

/** A record that is missing or half-written by another program reads as empty: nothing is known. */
export function readRecord(file: string): ServersRecord {
  try {
    const record = JSON.parse(readFileSync(file, 'utf8')) as Partial<ServersRecord> | null;
    return { ...record, servers: record?.servers ?? {} };
  } catch {
    return { servers: {} };
  }
}

/** Synchronous, so that a process is written down in the moment it exists; renamed, so that it is never half there. */
export function writeRecord(file: string, record: ServersRecord): void {
  writeFileSync(`${file}.new`, `${JSON.stringify(record, undefined, 2)}\n`, { mode: 0o600 });
  renameSync(`${file}.new`, file);
}
