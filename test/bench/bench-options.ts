import { parseArgs } from 'node:util';
import { variants, type Variant, workloads } from './workloads.ts';

export interface BenchOptions {
  /** Fewer workloads, one round: about a minute. */
  readonly quick: boolean;
  /** Names of workloads, in part. */
  readonly only: readonly string[];
  readonly variants: readonly Variant[];
  /** Absent: what each workload says. */
  readonly rounds?: number;
  /** Everything measured, as JSON. */
  readonly json?: string;
  /** A folder for processor profiles of the two worker processes. */
  readonly profile?: string;
}

export const usage = `npm run bench -- [options]

  --quick           200 B only, one round: about a minute
  --only NAME       workloads whose name contains NAME (${workloads.map(({ name }) => `"${name}"`).join(', ')}), or "growth"; may be repeated
  --variants LIST   some of ${variants.join(',')}; without "loop" there are no ratios
  --rounds N        rounds of each workload, 1 to 20
  --json FILE       also writes every figure to FILE
  --profile FOLDER  also writes processor profiles of the worker processes to FOLDER`;

/** @throws Error  Naming what cannot be used. */
export function readBenchOptions(words: readonly string[]): BenchOptions {
  const { values } = parseArgs({
    args: [...words],
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: [] },
      variants: { type: 'string', default: variants.join(',') },
      rounds: { type: 'string' },
      json: { type: 'string' },
      profile: { type: 'string' },
    },
  });
  const known = [...workloads.map(({ name }) => name), 'growth'];
  for (const name of values.only)
    if (!known.some((workload) => workload.includes(name)))
      throw new Error(`--only ${name}: no such workload. There are: ${known.join(', ')}.`);
  const chosen = values.variants.split(',');
  for (const name of chosen)
    if (!variants.includes(name as Variant))
      throw new Error(`--variants ${name}: no such variant. There are: ${variants.join(', ')}.`);
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds >= 1 && rounds <= 20))
    throw new Error(`--rounds ${values.rounds}: expected a whole number from 1 to 20.`);
  return {
    quick: values.quick,
    only: values.only,
    variants: variants.filter((name) => chosen.includes(name)),
    ...(rounds === undefined ? {} : { rounds }),
    ...(values.json === undefined ? {} : { json: values.json }),
    ...(values.profile === undefined ? {} : { profile: values.profile }),
  };
}
