/** What one run will do, by seed: which tools in which order, what its human will say, when it is halted. */
import type { ToolName } from './chaos-tools.ts';
import { toolNames } from './chaos-tools.ts';
import { between, seededBy } from './seeded-by.ts';

/** When a run is halted: a while after something was seen to happen to it. */
export interface HaltPlan {
  readonly during: HaltMoment;
  /** The step at which it is looked for. */
  readonly step: number;
  readonly afterMs: number;
}

export const haltMoments = [
  'start',
  'model thinks',
  'reply streams',
  'tool runs',
  'tool backs off',
  'model backs off',
  'human is asked',
  'between steps',
] as const;
export type HaltMoment = (typeof haltMoments)[number];

export interface Scenario {
  readonly order: string;
  readonly agent: 'queued' | 'near';
  /** The tools of each step; those of one step are called in parallel. */
  readonly steps: readonly (readonly ToolName[])[];
  /** What the human says where a tool needs approval. */
  readonly approval: 'approve' | 'deny' | 'silence';
  readonly thinkMs: number;
  /** Events that each reply is cut into, and the pause before each. */
  readonly stream: { readonly chunkCount: number; readonly chunkDelayMs: number };
  readonly halt?: HaltPlan;
}

export type Schedule = (order: string) => Scenario;

export function chaosSchedule(seed: number): Schedule {
  return (order) => {
    const random = seededBy(seed, 'scenario', order);
    const steps = Array.from({ length: between(random, 2, 5) }, () =>
      Array.from({ length: random.chance(0.35) ? between(random, 2, 3) : 1 }, () =>
        random.pick(toolNames),
      ),
    );
    const near = random.chance(0.3);
    return {
      order,
      agent: near ? 'near' : 'queued',
      steps,
      approval: random.chance(0.6) ? 'approve' : random.chance(0.8) ? 'deny' : 'silence',
      thinkMs: between(random, 50, 1_000),
      stream: { chunkCount: between(random, 1, 5), chunkDelayMs: 30 },
      ...(random.chance(0.12)
        ? { halt: { during: 'start' as const, step: 1, afterMs: between(random, 0, 6_000) } }
        : {}),
    };
  };
}

/** Every run is halted, each at a moment of its own. */
export function haltSchedule(seed: number): Schedule {
  return (order) => {
    const random = seededBy(seed, 'halt scenario', order);
    const during = haltMoments[Number(order) % haltMoments.length] as HaltMoment;
    // Runs continue as new after every third step or so, when its tools are done and before the next.
    const isBetween = during === 'between steps';
    const steps = isBetween ? 12 : 6;
    const step = between(random, 1, steps - 2);
    const tool: readonly ToolName[] =
      during === 'human is asked'
        ? [random.chance(0.5) ? 'refund' : 'letter']
        : random.chance(0.4)
          ? ['charge', 'lookup', 'wire']
          : [random.pick(toolNames.filter((name) => name !== 'refund' && name !== 'estimate'))];
    return {
      order,
      agent: random.chance(0.3) ? 'near' : 'queued',
      steps: Array.from({ length: steps }, (_, index) =>
        index + 1 === step ? tool : ['lookup', 'mark'],
      ),
      approval: 'silence',
      thinkMs: during === 'model thinks' ? 1_000 : 20,
      stream:
        during === 'reply streams'
          ? { chunkCount: 20, chunkDelayMs: 50 }
          : { chunkCount: 1, chunkDelayMs: 0 },
      halt: {
        during,
        step,
        afterMs: isBetween ? between(random, 30, 160) : between(random, 0, 900),
      },
    };
  };
}

/** Five tools, one after the other, near models: the trade's headline. */
export const fiveToolSchedule: Schedule = (order) => ({
  order,
  agent: 'near',
  steps: [['lookup'], ['estimate'], ['search'], ['charge'], ['mark']],
  approval: 'approve',
  thinkMs: 0,
  stream: { chunkCount: 1, chunkDelayMs: 0 },
});
