/** `belayer throttle`: what the client's `throttles` does, in words. */
import { throttleWords } from '../../rules/throttle-words.ts';
import type { ThrottleTarget } from '../throttles.ts';
import { exitCode } from './exit-codes.ts';
import { safeLine } from './safe-text.ts';
import { outJson, type Terminal } from './terminal.ts';
import { providersTable, throttleChangesTable, throttlesTable } from './throttle-text.ts';
import { withPostgres } from './with-connection.ts';

export interface ThrottleFlags {
  readonly customer?: string;
  readonly all?: true;
  readonly reason?: string;
  readonly by?: string;
  readonly json?: true;
}

export interface SetThrottleFlags extends ThrottleFlags {
  readonly runs?: number;
  readonly modelCalls?: number;
  readonly requestsPerMinute?: number;
  readonly tokensPerMinute?: number;
}

export interface ShowThrottleFlags {
  readonly customer?: string;
  readonly limit: number;
  readonly json?: true;
}

export const setThrottleCommand = (terminal: Terminal, flags: SetThrottleFlags): Promise<number> =>
  change(terminal, flags, 'is set', (throttles, target) => {
    const { runs, modelCalls, requestsPerMinute, tokensPerMinute } = flags;
    return throttles.set({
      ...target,
      ...(runs === undefined ? {} : { runs }),
      ...(modelCalls === undefined ? {} : { modelCalls }),
      ...(requestsPerMinute === undefined ? {} : { requestsPerMinute }),
      ...(tokensPerMinute === undefined ? {} : { tokensPerMinute }),
    });
  });

export const removeThrottleCommand = (terminal: Terminal, flags: ThrottleFlags): Promise<number> =>
  change(terminal, flags, 'is removed', (throttles, target) => throttles.remove(target));

export function showThrottleCommand(terminal: Terminal, flags: ShowThrottleFlags): Promise<number> {
  const { json, ...filter } = flags;
  return withPostgres(terminal, async ({ belayer }) => {
    const rows = await belayer.throttles.show(filter);
    const providers = await belayer.throttles.providers();
    if (json === true) for (const row of [...rows, ...providers]) outJson(terminal, row, 'line');
    else {
      terminal.out(`${throttlesTable(rows)}\n`);
      if (providers.length > 0) terminal.out(`\n${providersTable(providers)}\n`);
    }
    return exitCode.done;
  });
}

export function throttleHistoryCommand(
  terminal: Terminal,
  flags: Omit<ShowThrottleFlags, 'limit'>,
): Promise<number> {
  const { json, ...filter } = flags;
  return withPostgres(terminal, async ({ belayer }) => {
    const rows = await belayer.throttles.history(filter);
    if (json === true) for (const row of rows) outJson(terminal, row, 'line');
    else if (rows.length === 0) terminal.note('No throttle was ever set.');
    else terminal.out(`${throttleChangesTable(rows)}\n`);
    return exitCode.done;
  });
}

type ThrottlesOfClient = Parameters<Parameters<typeof withPostgres>[1]>[0]['belayer']['throttles'];

function change(
  terminal: Terminal,
  flags: ThrottleFlags,
  what: string,
  make: (
    throttles: ThrottlesOfClient,
    target: ThrottleTarget & { readonly by: string },
  ) => Promise<void>,
): Promise<number> {
  const { customer, all, reason } = flags;
  return withPostgres(terminal, async ({ belayer, parts }) => {
    const target = {
      ...(customer === undefined ? {} : { customer }),
      ...(all === undefined ? {} : { installation: true as const }),
      by: flags.by ?? parts.by,
      ...(reason === undefined ? {} : { reason }),
    };
    await make(belayer.throttles, target);
    const of = customer ?? null;
    if (flags.json === true)
      outJson(terminal, { customer: of, done: what, by: target.by }, 'document');
    else
      terminal.out(
        `${safeLine(throttleWords(of), 200).replace(/^t/, 'T')} ${what}, by ${safeLine(target.by, 60)}.\n`,
      );
    return exitCode.done;
  });
}
