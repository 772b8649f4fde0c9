import { type Client, isGrpcServiceError, ServiceError } from '@temporalio/client';
import type { Database } from '../storage/database.ts';
import type { Settings } from './settings.ts';

/** What a connection stands on. Given by a worker that shares its own; else made from the settings. */
export interface Parts {
  readonly settings: Settings;
  readonly database: Database;
  readonly temporal: Client;
  readonly by: string;
  /** Client and worker share a connection: the first workflow task comes with the start. */
  readonly eagerStart: boolean;
  close(): Promise<void>;
}

/** Of a failed call, however Temporal's client wrapped it. */
export function grpcCode(error: unknown): number | undefined {
  // A worker's connection throws the status itself, under the same name.
  const status = error instanceof ServiceError ? (error.cause ?? error) : error;
  return isGrpcServiceError(status) ? Number(status.code) : undefined;
}

export function isUnreachable(error: unknown): boolean {
  const code = grpcCode(error);
  return code !== undefined && unreachableCodes.has(code);
}

/**
 * gRPC: CANCELLED 1 and INTERNAL 13 when a connection breaks in the middle of a call,
 * DEADLINE_EXCEEDED 4, RESOURCE_EXHAUSTED 8, ABORTED 10, UNAVAILABLE 14.
 */
const unreachableCodes = new Set([1, 4, 8, 10, 13, 14]);
