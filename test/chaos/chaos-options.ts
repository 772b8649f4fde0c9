import { parseArgs } from 'node:util';

export interface ChaosOptions {
  readonly seed: number;
  readonly runs?: number;
  readonly minutes?: number;
  readonly halts?: number;
  /** Percent of a tool's calls that succeed. */
  readonly toolsAt?: number;
  readonly json: boolean;
  /** Takes what the workers write to standard error. */
  readonly log?: string;
}

export const usage = `npm run chaos -- [options]

  --seed N       which schedule; default 1
  --runs M       runs of the chaos campaign; default 200. With --tools-at, of that one; default 3000
  --minutes X    starts no run after so many minutes
  --halts N      only the halts campaign, with so many halts
  --tools-at P   only the five-tools campaign, each tool succeeding P % of the time
  --log FILE     what the workers wrote to standard error
  --json         one JSON document on stdout instead of tables

Without --halts and --tools-at: the chaos campaign, then 200 halts. Exit code 1 when anything that
must hold did not.`;

/** @throws Error  Naming what cannot be used. */
export function readChaosOptions(words: readonly string[]): ChaosOptions {
  const { values } = parseArgs({
    args: [...words],
    options: {
      seed: { type: 'string' },
      runs: { type: 'string' },
      minutes: { type: 'string' },
      halts: { type: 'string' },
      'tools-at': { type: 'string' },
      json: { type: 'boolean', default: false },
      log: { type: 'string' },
    },
  });
  const number = (
    name: 'seed' | 'runs' | 'minutes' | 'halts' | 'tools-at',
    max: number,
  ): number | undefined => {
    const given = values[name];
    if (given === undefined) return undefined;
    const value = Number(given);
    if (given.trim() === '' || !(value >= 0 && value <= max))
      throw new Error(`--${name} ${given}: expected a number from 0 to ${max}.`);
    return value;
  };
  const runs = number('runs', 100_000);
  const minutes = number('minutes', 24 * 60);
  const halts = number('halts', 100_000);
  const toolsAt = number('tools-at', 100);
  return {
    seed: number('seed', Number.MAX_SAFE_INTEGER) ?? 1,
    json: values.json,
    ...(values.log === undefined ? {} : { log: values.log }),
    ...(runs === undefined ? {} : { runs }),
    ...(minutes === undefined ? {} : { minutes }),
    ...(halts === undefined ? {} : { halts }),
    ...(toolsAt === undefined ? {} : { toolsAt }),
  };
}
