/**
 * `npm run bench`: the same agent work by a hand-written Temporal loop and by Belayer, on the same
 * servers in one go, in turns. A measurement, not a test: it exits with 0 whatever the figures say.
 */
import { availableParallelism, loadavg } from 'node:os';
import { writeFileSync } from 'node:fs';
import { type BenchOptions, readBenchOptions, usage } from './bench-options.ts';
import { measure, type Measurement } from './measure.ts';
import {
  type GrowthResult,
  judge,
  renderGrowth,
  renderJudged,
  renderWorkload,
  type WorkloadResult,
} from './report.ts';
import { setStage, type Stage } from './stage.ts';
import { growth, taskOf, type Variant, type Work, type Workload, workloads } from './workloads.ts';

/** After this no further round begins; what was measured so far is reported. */
const wholeMsMax = 7.5 * 60_000;
const warmUpRuns = 30;

async function measureAll(stage: Stage, options: BenchOptions): Promise<void> {
  const endMs = Date.now() + wholeMsMax;
  const isChosen = (name: string): boolean =>
    options.only.length === 0 || options.only.some((part) => name.includes(part));
  const chosen = workloads.filter(
    (workload) => isChosen(workload.name) && (!options.quick || workload.quick),
  );
  const results: WorkloadResult[] = [];
  await warmUp(stage, options.variants);
  for (const workload of chosen) {
    const result = await measureWorkload(stage, workload, {
      variants: options.variants.filter((name) => workload.without?.includes(name) !== true),
      rounds: options.quick ? 1 : (options.rounds ?? workload.rounds),
      endMs,
    });
    if (result.rounds.length === 0) {
      console.log(`\n${workload.name}: no time was left for it.`);
      continue;
    }
    results.push(result);
    console.log(`\n${renderWorkload(result)}`);
  }
  const grown: GrowthResult[] = [];
  if (isChosen('growth') && !options.quick) {
    for (const variant of options.variants.filter((name) => name.startsWith('belayer')))
      grown.push(await measureGrowth(stage, variant));
    console.log(`\n${renderGrowth(grown)}`);
  }
  const judged = judge(results);
  if (judged.length > 0) console.log(`\n${renderJudged(judged)}`);
  if (options.json !== undefined)
    writeFileSync(
      options.json,
      JSON.stringify({ at: new Date().toISOString(), results, growth: grown, judged }, null, 2),
    );
}

/** The first runs of a process compile its code, and are nobody's figure. */
async function warmUp(stage: Stage, chosen: readonly Variant[]): Promise<void> {
  for (const variant of chosen)
    await load(stage, variant, {
      work: { toolCalls: 4, resultBytes: 200, thinkMs: 0 },
      runs: warmUpRuns,
      concurrency: 10,
    });
}

async function measureWorkload(
  stage: Stage,
  workload: Workload,
  how: {
    readonly variants: readonly Variant[];
    readonly rounds: number;
    readonly endMs: number;
  },
): Promise<WorkloadResult> {
  const rounds: Measurement[][] = [];
  const alone: Measurement[][] = [];
  for (let round = 0; round < how.rounds && Date.now() < how.endMs; round += 1) {
    // Every other round goes backwards, so that a machine that slows down slows both sides.
    const inTurn = round % 2 === 0 ? how.variants : how.variants.toReversed();
    const busy: Measurement[] = [];
    const single: Measurement[] = [];
    for (const variant of inTurn) {
      progress(`${workload.name}, round ${round + 1} of ${how.rounds}: ${variant}`);
      single.push(
        await load(stage, variant, {
          work: workload.work,
          runs: workload.runsAlone,
          concurrency: 1,
        }),
      );
      busy.push(await load(stage, variant, workload));
    }
    rounds.push(busy);
    alone.push(single);
  }
  return { workload, rounds, alone };
}

async function measureGrowth(stage: Stage, variant: Variant): Promise<GrowthResult> {
  progress(`growth: ${variant}`);
  // Databases grow in chunks: enough runs that one does not matter.
  const short = await load(stage, variant, { work: growth.short, runs: 80, concurrency: 8 });
  const long = await load(stage, variant, { work: growth.long, runs: 8, concurrency: 8 });
  return { variant, short, long };
}

const load = (
  stage: Stage,
  variant: Variant,
  of: { readonly work: Work; readonly runs: number; readonly concurrency: number },
): Promise<Measurement> =>
  measure(stage, {
    variant,
    task: taskOf(of.work),
    runs: of.runs,
    concurrency: of.concurrency,
  });

function progress(line: string): void {
  if (process.stderr.isTTY) process.stderr.write(`\r\u001B[K${line}`);
}

let options: BenchOptions;
try {
  if (process.argv.includes('--help')) {
    console.log(usage);
    process.exit(0);
  }
  options = readBenchOptions(process.argv.slice(2));
} catch (error) {
  console.error(`${(error as Error).message}\n\n${usage}`);
  process.exit(2);
}
console.log(
  `${availableParallelism()} processors, load ${loadavg()[0]?.toFixed(1)}, Node ${process.version}`,
);
const stage = await setStage(options.profile === undefined ? {} : { profile: options.profile });
for (const signal of ['SIGINT', 'SIGTERM'] as const)
  process.once(signal, () => {
    void stage.stop().finally(() => process.exit(130));
  });
try {
  await measureAll(stage, options);
} finally {
  progress('');
  await stage.stop();
}
