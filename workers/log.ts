/** The worker's log: one JSON line per event on standard error, nothing below the chosen level. */
import { DefaultLogger, type Logger } from '@temporalio/worker';
import type { Log } from '../activities/dependencies.ts';

const levels = { debug: 0, info: 1, warn: 2, error: 3 } as const;
export type LogLevel = keyof typeof levels;

export function createLog(level: LogLevel): Log & { readonly temporal: Logger } {
  const line =
    (own: LogLevel) =>
    (message: string, fields?: Readonly<Record<string, unknown>>): void => {
      if (levels[own] < levels[level]) return;
      const entry = { at: new Date().toISOString(), level: own, message, ...fields };
      process.stderr.write(`${JSON.stringify(entry, plain)}\n`);
    };
  const log = {
    debug: line('debug'),
    info: line('info'),
    warn: line('warn'),
    error: line('error'),
  };
  return {
    ...log,
    temporal: new DefaultLogger(temporalLevels[level], ({ level: own, message, meta }) => {
      const ours = own === 'TRACE' ? 'debug' : (own.toLowerCase() as LogLevel);
      log[ours](`temporal: ${message}`, meta as Record<string, unknown>);
    }),
  };
}

const temporalLevels = { debug: 'DEBUG', info: 'INFO', warn: 'WARN', error: 'ERROR' } as const;

/** Errors and big integers have no JSON of their own. */
function plain(_: string, value: unknown): unknown {
  if (value instanceof Error) return { name: value.name, message: value.message };
  return typeof value === 'bigint' ? value.toString() : value;
}
