/** `belayer fork`: forks a run, follows the fork, and prints what it came to. */
import type { Duration } from '../../definitions/index.ts';
import type { ForkEdit, ForkOptions, GivenReply } from '../fork/check-fork.ts';
import type { Run } from '../run.ts';
import { exitCode, WrongUsage } from './exit-codes.ts';
import { followRun } from './follow-run.ts';
import { watchInterrupts } from './interrupts.ts';
import { loadApplicationOf } from './load-worker.ts';
import { readText } from './read-text.ts';
import { reportRun } from './report-run.ts';
import { interruptedNote, openPlace } from './run-command.ts';
import { outJson, type Terminal } from './terminal.ts';

export interface ForkFlags {
  readonly at: string;
  readonly reply?: string;
  readonly result?: string;
  readonly arguments?: string;
  readonly message?: string;
  readonly instructions?: string;
  readonly model?: readonly string[];
  readonly costUsd?: number;
  readonly tokens?: number;
  readonly steps?: number;
  readonly wall?: string;
  readonly by?: string;
  readonly reason?: string;
  readonly key?: string;
  readonly app?: string;
  readonly detach?: true;
  /** False with `--no-wait`. */
  readonly wait: boolean;
  readonly stream?: true;
  readonly json?: true;
}

export async function forkCommand(
  terminal: Terminal,
  parent: string,
  flags: ForkFlags,
): Promise<number> {
  if (flags.app !== undefined && flags.detach === true)
    throw new WrongUsage(
      'Give --app or --detach, not both: a fork that is left is not carried out here.',
    );
  const options = await forkOptions(terminal, flags);
  const application =
    flags.app === undefined ? undefined : await loadApplicationOf(terminal, flags.app);
  let fork: Run | undefined;
  const interrupts = watchInterrupts(terminal, () =>
    terminal.note(interruptedNote(fork, flags.app, application !== undefined)),
  );
  try {
    const place = await openPlace(terminal, application, interrupts);
    try {
      fork = await (await place.belayer.run(parent)).fork(options);
      if (flags.detach === true) {
        if (flags.json === true) outJson(terminal, { run: fork.id }, 'document');
        else terminal.out(`${fork.id}\n`);
        return exitCode.done;
      }
      terminal.note(`Run ${fork.id}, forked from ${parent} at ${flags.at}`);
      const talks = terminal.isInteractive && flags.wait && flags.json !== true;
      const followed = await followRun(terminal, fork, {
        deltas: flags.stream === true,
        atRequest: flags.wait ? 'ask' : 'leave',
        talks,
        signal: AbortSignal.any([interrupts.signal, place.lost.signal]),
      });
      if (place.lost.signal.aborted && !interrupts.signal.aborted) throw place.lost.signal.reason;
      return await reportRun(terminal, fork, followed, {
        isJson: flags.json === true,
        isTold: talks,
      });
    } finally {
      await place.close();
    }
  } catch (error) {
    if (interrupts.signal.aborted && fork === undefined) return exitCode.interrupted;
    throw error;
  } finally {
    interrupts.end();
  }
}

async function forkOptions(terminal: Terminal, flags: ForkFlags): Promise<ForkOptions> {
  const { at, by, reason, key, model } = flags;
  const text = async (name: 'message' | 'instructions' | 'reply' | 'result' | 'arguments') => {
    const given = flags[name];
    return given === undefined ? undefined : readText(`--${name}`, given, terminal);
  };
  const [reply, result, wanted, message, instructions] = [
    await text('reply'),
    await text('result'),
    await text('arguments'),
    await text('message'),
    await text('instructions'),
  ];
  const edit: ForkEdit = {
    ...(reply === undefined ? {} : { reply: toReply(reply) }),
    ...(result === undefined ? {} : { result: jsonOr(result, result) }),
    ...(wanted === undefined ? {} : { arguments: toArguments(wanted) }),
    ...(message === undefined ? {} : { message }),
    ...(instructions === undefined ? {} : { instructions }),
    ...(model === undefined ? {} : { model }),
    ...limitsOf(flags),
  };
  return {
    at,
    ...(Object.keys(edit).length === 0 ? {} : { edit }),
    ...(by === undefined ? {} : { by }),
    ...(reason === undefined ? {} : { reason }),
    ...(key === undefined ? {} : { key }),
  };
}

function limitsOf({ costUsd, tokens, steps, wall }: ForkFlags): Pick<ForkEdit, 'limits'> {
  const given = {
    ...(costUsd === undefined ? {} : { costUsd }),
    ...(tokens === undefined ? {} : { tokens }),
    ...(steps === undefined ? {} : { steps }),
    // Its spelling is checked by `fork`, which names the mistake.
    ...(wall === undefined ? {} : { wall: wall as Duration }),
  };
  return Object.keys(given).length === 0 ? {} : { limits: given };
}

function jsonOr(text: string, otherwise: unknown): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch {
    return otherwise;
  }
}

/** An object says what a reply consists of; anything else is what the model says. */
function toReply(text: string): GivenReply {
  const value = jsonOr(text, undefined);
  if (typeof value === 'string') return value;
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value);
  return isObject ? (value as GivenReply) : text;
}

function toArguments(text: string): unknown {
  try {
    return JSON.parse(text) as unknown;
  } catch (error) {
    throw new WrongUsage(`--arguments is not JSON: ${(error as Error).message}`);
  }
}
