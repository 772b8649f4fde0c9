/**
 * What is said over the supervisor's socket: one JSON object a line, a hello first.
 *
 * A lease's connection stays open after `ready`; its end, by whatever cause, is the end of the lease.
 */
import type { Socket } from 'node:net';
import type { FailureType } from '../contracts/failures.ts';
import type { ServerName } from './server-addresses.ts';
import { serverLimits } from './server-limits.ts';

/** Raised when an old client and a new supervisor (or the reverse) would misunderstand each other. */
export const protocolVersion = 1;

export type Hello =
  | {
      readonly hello: number;
      readonly ask: 'lease';
      readonly want: readonly ServerName[];
      readonly namespace?: string;
      readonly pid: number;
    }
  | { readonly hello: number; readonly ask: 'status' }
  | { readonly hello: number; readonly ask: 'stop' };

/** The embedded servers' addresses; one that was not wanted is absent. */
export interface EmbeddedAddresses {
  readonly temporal?: {
    readonly address: string;
    readonly namespace: string;
    readonly uiUrl?: string;
  };
  readonly databaseUrl?: string;
}

export interface ServerStatus {
  readonly name: ServerName;
  readonly state: 'starting' | 'serving' | 'restarting' | 'failed' | 'stopped';
  readonly pid?: number;
  readonly version?: string;
  readonly ports?: Readonly<Record<string, number>>;
  readonly restarts: number;
}

export interface SupervisorStatus {
  readonly pid: number;
  readonly leases: readonly { readonly pid: number }[];
  readonly servers: readonly ServerStatus[];
}

export type Answer =
  | { readonly progress: string }
  /** Said every `aliveMs` to who waits for a lease or a stop: only silence means that the supervisor hangs. */
  | { readonly alive: true }
  | { readonly ready: EmbeddedAddresses }
  | { readonly error: { readonly type: FailureType; readonly message: string } }
  | { readonly status: SupervisorStatus }
  /** The servers are being stopped on purpose: leases must not bring them back. */
  | { readonly stopping: string };

export function sendLine(socket: Socket, message: Hello | Answer): void {
  if (!socket.destroyed && socket.writable) socket.write(`${JSON.stringify(message)}\n`);
}

/** Calls back for each whole line. A line that is too long or no JSON ends the connection: nobody we know sends one. */
export function onLines(socket: Socket, onMessage: (message: unknown) => void): void {
  let rest = '';
  socket.setEncoding('utf8');
  socket.on('data', (chunk: string) => {
    rest += chunk;
    for (let end = rest.indexOf('\n'); end >= 0; end = rest.indexOf('\n')) {
      const line = rest.slice(0, end);
      rest = rest.slice(end + 1);
      try {
        onMessage(JSON.parse(line));
      } catch (error) {
        socket.destroy(error instanceof SyntaxError ? undefined : (error as Error));
        return;
      }
    }
    if (rest.length > serverLimits.protocolLineBytesMax) socket.destroy();
  });
}
