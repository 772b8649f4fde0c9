import type { ServerName } from './server-addresses.ts';

/** How one server is started: decided and prepared, not yet running. Starting it again gives the same server on the same ports. */
export interface ServerLaunch {
  readonly name: ServerName;
  readonly command: string;
  readonly args: readonly string[];
  readonly env: NodeJS.ProcessEnv;
  readonly uid?: number;
  readonly gid?: number;
  readonly cwd: string;
  readonly logFile: string;
  readonly ports: Readonly<Record<string, number>>;
  /** A text that stands in the command line of this server of this folder and of no other program. */
  readonly mark: string;
  readonly version: string;
  readonly from: string;
  /** What asks it to end cleanly without waiting for its clients. */
  readonly quitSignal: NodeJS.Signals;
  /** Clears what a killed predecessor left behind. Called before each start. */
  clearTheWay?(): Promise<void>;
  /** Resolves when the server gives good answers; throws when it does not before the signal or the limit. */
  waitUntilServing(signal: AbortSignal): Promise<void>;
}
