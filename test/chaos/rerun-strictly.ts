/** Every run of a campaign that has ended, again: from its recording alone, in a process without a network. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { RerunResult } from '../../testing/index.ts';
import { recordingOf } from '../support/recording-of.ts';
import { runWithoutNetwork } from '../support/without-network.ts';
import { check, type Check } from './check.ts';
import type { Evidence, RunEvidence } from './evidence.ts';

export interface RerunFigures {
  readonly runs: number;
  readonly unchanged: number;
  readonly promptsCompared: number;
  /** Rerun by content, since today's workflow code does not replay their histories. */
  readonly historiesNotReplayed: readonly string[];
  /** Reading the file, replaying its histories and rerunning it; the start of the process left out. */
  readonly cpuMsPerRun: number;
}

interface Rerun {
  readonly result: RerunResult;
  readonly cpuMs: number;
}

const main = fileURLToPath(new URL('./rerun-main.ts', import.meta.url));

/** Servers must be there for the recordings; the reruns need none. */
export async function rerunStrictly({ stage, runs }: Evidence): Promise<{
  readonly checks: readonly Check[];
  readonly figures: RerunFigures;
}> {
  const ended = runs.filter((run) => run.ended);
  const folder = mkdtempSync(join(tmpdir(), 'belayer-chaos-reruns-'));
  let reruns: readonly Rerun[];
  let errors: string;
  try {
    for (const [index, { id }] of ended.entries())
      writeFileSync(join(folder, `${index}.jsonl`), await recordingOf(stage.world, id));
    const said = await runWithoutNetwork(['--import', 'tsx', main, folder], {
      folder: fileURLToPath(new URL('../..', import.meta.url)),
      environment: { PATH: process.env['PATH'], HOME: process.env['HOME'] },
    });
    errors = said.errors;
    reruns = said.out
      .split('\n')
      .filter((line) => line !== '')
      .map((line) => JSON.parse(line) as Rerun);
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
  const found = new Map(reruns.map((rerun) => [rerun.result.run, rerun.result]));
  const compared = reruns.flatMap(({ result }) =>
    result.calls.filter((call) => call.recorded !== undefined),
  );
  return {
    checks: [
      check('a run that has ended gives the same again without a network', ended, (run) =>
        otherwise(run, found.get(run.id), errors),
      ),
    ],
    figures: {
      runs: reruns.length,
      unchanged: reruns.filter(({ result }) => result.verdict === 'unchanged').length,
      promptsCompared: compared.length,
      historiesNotReplayed: reruns.flatMap(({ result: { history } }) =>
        history === undefined ? [] : [history],
      ),
      cpuMsPerRun: Math.round(
        reruns.reduce((sum, { cpuMs }) => sum + cpuMs, 0) / Math.max(1, reruns.length),
      ),
    },
  };
}

/** Held against what the database says, and prompt by prompt. */
function otherwise(
  run: RunEvidence,
  result: RerunResult | undefined,
  errors: string,
): string | undefined {
  if (result === undefined) return `${run.id} was not rerun: ${errors.slice(-500)}`;
  const { verdict, because, stopped, decision, prompt } = result;
  const told = JSON.stringify({ because, stopped, decision, prompt })?.slice(0, 1_000) ?? '';
  if (verdict !== 'unchanged') return `${run.id}: ${verdict} ${told}`;
  if (run.outcome?.kind === 'done' && result.output.now?.text !== run.output)
    return `${run.id}: the output is ${result.output.now?.text}, and was ${run.output}`;
  const other = result.calls.find(
    ({ recorded, now }) => recorded !== undefined && recorded !== now,
  );
  if (other !== undefined) return `${run.id}: the prompt at ${other.position} is another`;
  const sent = result.calls.filter(({ recorded }) => recorded !== undefined);
  return run.outcome?.kind === 'done' && sent.length === 0
    ? `${run.id}: no prompt was compared`
    : undefined;
}
