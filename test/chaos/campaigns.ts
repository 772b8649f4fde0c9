/** The campaigns: what each lets happen, and what it must come to. */
import { fault } from '../../testing/provider/index.ts';
import { type Carried, carryOut, type Load } from './carry-out.ts';
import type { Asked } from './chaos-tools.ts';
import { isWrite } from './chaos-tools.ts';
import { check, type Check } from './check.ts';
import { calamityAt, type Calamity, type Conductor, startConductor } from './conductor.ts';
import { type Evidence, gatherEvidence } from './evidence.ts';
import { conductOf, everyToolAt, type Rates, ratesOf } from './faults.ts';
import { judgeEffects } from './judge-effects.ts';
import { judgeHalts } from './judge-halts.ts';
import { judgeNoFailure, judgeRuns } from './judge-runs.ts';
import { leftProcesses } from './left-processes.ts';
import type { Conduct } from './payment-service.ts';
import { chaosSchedule, fiveToolSchedule, haltSchedule, type Scenario } from './scenario.ts';
import { rerunStrictly } from './rerun-strictly.ts';
import { setStage } from './stage.ts';
import { type Figures, figuresOf } from './figures.ts';

export interface CampaignResult {
  readonly campaign: string;
  readonly seed: number;
  readonly checks: readonly Check[];
  readonly figures: Figures;
}

export interface Campaign {
  readonly name: string;
  readonly seed: number;
  readonly workers: number;
  readonly rates: Rates;
  readonly shortHistories: boolean;
  readonly load: Omit<Load, 'seed'>;
  readonly calamity: (index: number) => Calamity | undefined;
  /** Every run must be done, and every tool call of it told as done. */
  readonly noFailure?: true;
  /** Every run that has ended is rerun from its recording. */
  readonly reruns?: true;
}

const never = (): undefined => undefined;

/** Above the longest wait of a run for a server that was away. */
const settleMsMax = 240_000;
/** Where nothing is away: above the longest back-off of a call. */
const calmSettleMsMax = 40_000;

/** Everything at once: faults, calamities, halts, humans. */
export function chaosCampaign(options: {
  readonly seed: number;
  readonly runs: number;
  /** Default 16. */
  readonly atOnce?: number;
  readonly startMsMax?: number;
  readonly calamity?: (index: number) => Calamity | undefined;
}): Campaign {
  const { seed, runs } = options;
  const rates = ratesOf(seed);
  const workers = 3;
  return {
    name: 'chaos',
    seed,
    workers,
    rates,
    shortHistories: true,
    load: {
      schedule: chaosSchedule(seed),
      runs,
      atOnce: options.atOnce ?? 16,
      startMsMax: options.startMsMax ?? Infinity,
      settleMsMax,
      conduct: conductOf(seed, rates, 400),
      providerFaults: 0.15,
    },
    calamity: options.calamity ?? ((index) => calamityAt(seed, index, workers)),
    reruns: true,
  };
}

/** Each run is halted at a moment of its own; nothing else happens. */
export function haltsCampaign(options: {
  readonly seed: number;
  readonly halts: number;
}): Campaign {
  const { seed, halts } = options;
  const rates = everyToolAt(0);
  const schedule = haltSchedule(seed);
  return {
    name: 'halts',
    seed,
    workers: 2,
    rates,
    shortHistories: true,
    load: {
      schedule,
      runs: halts,
      atOnce: 10,
      startMsMax: Infinity,
      settleMsMax: calmSettleMsMax,
      providerFaults: 0,
      fault: (scenario, step, time) =>
        isDue(scenario, step, 'model backs off') && time === 1
          ? fault.rateLimited({ retryAfterMs: 1_000 })
          : undefined,
      conduct: (asked, time) => haltConduct(schedule(asked.order), asked, time),
    },
    calamity: never,
  };
}

const isDue = ({ halt }: Scenario, step: number, during: string): boolean =>
  halt?.during === during && halt.step === step;

function haltConduct(scenario: Scenario, asked: Asked, time: number): Conduct {
  const step = Number.parseInt(asked.position, 10);
  if (isDue(scenario, step, 'tool runs'))
    return { name: 'long', acts: true, thinkMs: 700, answer: 'ok' };
  if (isDue(scenario, step, 'tool backs off') && time <= 3)
    return {
      name: 'backs off',
      acts: false,
      thinkMs: 0,
      answer: isWrite(asked.tool) ? 'decline' : 'error',
    };
  if (isDue(scenario, step, 'human is asked') && asked.tool === 'letter')
    return { name: 'drop after', acts: true, thinkMs: 0, answer: 'drop' };
  return { name: 'ok', acts: true, thinkMs: 20, answer: 'ok' };
}

/** The trade's headline: five tools, each of which fails at some rate. */
export function fiveToolsCampaign(options: {
  readonly seed: number;
  readonly runs: number;
  /** Percent of a tool's calls that succeed. */
  readonly toolsAt: number;
}): Campaign {
  const { seed, runs, toolsAt } = options;
  const rates = everyToolAt((100 - toolsAt) / 100);
  return {
    name: `five tools at ${toolsAt} %`,
    seed,
    workers: 1,
    rates,
    shortHistories: false,
    load: {
      schedule: fiveToolSchedule,
      runs,
      atOnce: 40,
      startMsMax: Infinity,
      settleMsMax: calmSettleMsMax,
      providerFaults: 0,
      conduct: conductOf(seed, rates, 0),
    },
    calamity: never,
    noFailure: true,
  };
}

export async function hold(
  campaign: Campaign,
  /** Takes the standard error of all workers. */
  logFile?: string,
): Promise<CampaignResult> {
  const { name, seed, workers } = campaign;
  const stage = await setStage({ ...campaign, ...(logFile === undefined ? {} : { logFile }) });
  let conductor: Conductor | undefined;
  let evidence: Evidence;
  let reruns: Awaited<ReturnType<typeof rerunStrictly>> | undefined;
  try {
    conductor = startConductor(stage.world, stage.pool, {
      calamity: campaign.calamity,
      workers,
      nextSender: () => stage.service.nextSender(),
    });
    const carried: Carried = await carryOut(stage, { ...campaign.load, seed }, async () =>
      conductor?.stop(),
    );
    evidence = await gatherEvidence(stage, campaign.load.schedule, carried);
    if (campaign.reruns === true) reruns = await rerunStrictly(evidence);
  } finally {
    await conductor?.stop();
    await stage.stop();
  }
  const effects = judgeEffects(evidence);
  const halts = judgeHalts(evidence);
  return {
    campaign: name,
    seed,
    checks: [
      ...judgeRuns(evidence),
      ...effects.checks,
      ...halts.checks,
      ...(campaign.noFailure === true ? [judgeNoFailure(evidence)] : []),
      ...(reruns?.checks ?? []),
      check('no worker ends by itself', stage.pool.pids, (pid) =>
        stage.pool.endedThemselves.find((said) => said.startsWith(`worker ${pid} `)),
      ),
      await leftProcesses({ worker: stage.pool.pids, server: conductor.serverPids }),
    ],
    figures: {
      ...figuresOf({ evidence, halts, conductor, inTheWindow: effects.inTheWindow }),
      ...(reruns === undefined ? {} : { reruns: reruns.figures }),
    },
  };
}
