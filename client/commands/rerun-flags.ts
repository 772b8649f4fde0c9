/** The options of `belayer rerun`: which fit together, and what they mean to a rerun. */
import { limits } from '../../contracts/limits.ts';
import type { RerunMode, UnmatchedPolicy } from '../../testing/rerun/rerun-result.ts';
import { WrongUsage } from './exit-codes.ts';
import type { RerunOptions, UnmatchedCall } from './load-rerun.ts';
import { safeText } from './safe-text.ts';
import type { Terminal } from './terminal.ts';

export interface RerunFlags {
  readonly file?: string;
  readonly since?: string;
  readonly until?: string;
  readonly sample?: number;
  readonly seed?: number;
  readonly agent?: string;
  readonly customer?: string;
  readonly app?: string;
  readonly mode: RerunMode;
  readonly unmatched?: UnmatchedPolicy;
  readonly live?: readonly string[];
  readonly after?: string;
  readonly atOnce?: number;
  readonly maxCostUsd?: number;
  readonly out?: string;
  readonly compare?: readonly string[];
  readonly json?: true;
}

/** What `belayer/testing` takes, from the words of a command line. */
export function optionsOf(
  terminal: Terminal,
  flags: RerunFlags,
  signal: AbortSignal,
): RerunOptions {
  const { mode, unmatched, live, after } = flags;
  let asking: Promise<unknown> = Promise.resolve();
  // One question at a time, however many reruns there are.
  const ask = (call: UnmatchedCall): Promise<string | undefined> => {
    const answered = asking.then(() => askFor(terminal, call, signal));
    asking = answered.catch(() => undefined);
    return answered;
  };
  return {
    mode,
    environment: terminal.environment,
    signal,
    ...(unmatched === undefined ? {} : { unmatched }),
    ...(live === undefined ? {} : { live }),
    ...(after === undefined ? {} : { after }),
    ...(unmatched === 'ask' ? { ask } : {}),
  };
}

async function askFor(
  terminal: Terminal,
  { run, position, tool, arguments: given }: UnmatchedCall,
  signal: AbortSignal,
): Promise<string | undefined> {
  terminal.note(
    safeText(`Run ${run} at ${position}: the recording holds no result of ${tool} ${given}`),
  );
  const answer = await terminal.ask('Its result (empty: stop here): ', signal);
  return answer.trim() === '' ? undefined : answer;
}

/** @throws WrongUsage  Options that do not fit together. */
export function checkUsage(
  run: string | undefined,
  flags: RerunFlags,
  { isInteractive }: Pick<Terminal, 'isInteractive'>,
): void {
  const named = [run, flags.file, flags.since, flags.compare].filter((one) => one !== undefined);
  if (named.length !== 1)
    throw new WrongUsage(
      'Give one of: a run, --file, --since, or --compare with two result files.',
    );
  if (flags.compare !== undefined && flags.compare.length !== 2)
    throw new WrongUsage('--compare takes two files that --out has written.');
  const onlyMany = {
    until: '--until',
    sample: '--sample',
    seed: '--seed',
    agent: '--agent',
    customer: '--customer',
    atOnce: '--at-once',
  } as const;
  for (const [name, option] of Object.entries(onlyMany))
    if (flags.since === undefined && flags[name as keyof typeof onlyMany] !== undefined)
      throw new WrongUsage(`${option} is for --since.`);
  if (flags.seed !== undefined && flags.sample === undefined)
    throw new WrongUsage('--seed is for --sample: it says which runs are drawn.');
  if (flags.mode === 'strict')
    for (const [name, option] of [
      ['unmatched', '--unmatched'],
      ['live', '--live'],
      ['maxCostUsd', '--max-cost-usd'],
    ] as const)
      if (flags[name] !== undefined)
        throw new WrongUsage(
          `${option} is not for --mode strict, which takes everything from the recording.`,
        );
  if (flags.unmatched === 'ask' && !isInteractive)
    throw new WrongUsage(
      '--unmatched ask asks a person at the terminal, and this is none: give stop or live.',
    );
  if (flags.after !== undefined && flags.mode !== 'live-after')
    throw new WrongUsage('--after is for --mode live-after.');
  if (flags.maxCostUsd !== undefined && flags.since === undefined)
    throw new WrongUsage(
      '--max-cost-usd is for --since: a rerun of one run is held to the limit of the run.',
    );
  if (flags.atOnce !== undefined && flags.atOnce > limits.rerunAtOnceCallsMax)
    throw new WrongUsage(
      `--at-once is ${flags.atOnce}; at most ${limits.rerunAtOnceCallsMax} are allowed (rerunAtOnceCallsMax).`,
    );
}
