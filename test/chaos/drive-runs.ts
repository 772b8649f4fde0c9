/**
 * The provider of the chaos runs: drives each run through its scenario, fails by seed, and remembers
 * what each run's model was told.
 *
 * Stateless but for its records: the request itself says how far its run has come.
 */
import { createHash } from 'node:crypto';
import { type ChatRequest, type Fault, type Reply } from '../../testing/provider/index.ts';
import { providerFault } from './faults.ts';
import type { Scenario, Schedule } from './scenario.ts';

export interface PromptArrival {
  readonly order: string;
  readonly step: number;
  readonly atMs: number;
  readonly hash: string;
}

/** What a run's model was told of one tool call. */
export interface Told {
  readonly position: string;
  readonly tool: string;
  /** 'ok', or the error's code. */
  readonly status: string;
}

export interface Driver {
  readonly script: (request: ChatRequest) => Reply | Fault;
  readonly prompts: readonly PromptArrival[];
  /** By order: the results in the longest prompt of its run. */
  readonly told: ReadonlyMap<string, readonly Told[]>;
}

export type PromptMoment = 'arrived' | 'failed' | 'answered';

export function driveRuns(options: {
  readonly seed: number;
  readonly schedule: Schedule;
  readonly faults: number;
  readonly onPrompt: (scenario: Scenario, step: number, moment: PromptMoment) => void;
  /** A fault for this request whatever the odds say. */
  readonly fault?: (scenario: Scenario, step: number, time: number) => Fault | undefined;
}): Driver {
  const prompts: PromptArrival[] = [];
  const told = new Map<string, readonly Told[]>();
  const times = new Map<string, number>();
  return {
    prompts,
    told,
    script(request) {
      const order = orderOf(request);
      const scenario = options.schedule(order);
      const step = request.messages.filter(({ role }) => role === 'assistant').length + 1;
      const time = (times.get(`${order}/${step}`) ?? 0) + 1;
      times.set(`${order}/${step}`, time);
      prompts.push({
        order,
        step,
        atMs: Date.now(),
        hash: createHash('sha256').update(JSON.stringify(request)).digest('base64url'),
      });
      const results = resultsIn(request);
      if (results.length >= (told.get(order)?.length ?? 0)) told.set(order, results);
      options.onPrompt(scenario, step, 'arrived');
      const reply = replyOf(scenario, step);
      const planned =
        options.fault?.(scenario, step, time) ??
        providerFault(options.seed, options.faults, { order, step, time, reply });
      options.onPrompt(scenario, step, planned === undefined ? 'answered' : 'failed');
      return planned ?? reply;
    },
  };
}

const orderOf = (request: ChatRequest): string => {
  const said = request.messages.find(({ role }) => role === 'user')?.content;
  return /^Order (\d+)$/.exec(typeof said === 'string' ? said : '')?.[1] ?? '';
};

function replyOf(scenario: Scenario, step: number): Reply {
  const more = { thinkMs: scenario.thinkMs, ...scenario.stream };
  const tools = scenario.steps[step - 1];
  if (tools === undefined) return { text: `Order ${scenario.order} is settled.`, ...more };
  return {
    toolCalls: tools.map((name, index) => ({
      name,
      arguments: { order: scenario.order },
      // Named after its position, so that its result can be found again in a later prompt.
      id: `call_${step}.${index + 1}_${name}`,
    })),
    ...more,
  };
}

function resultsIn(request: ChatRequest): readonly Told[] {
  return request.messages.flatMap((message) => {
    const named = /^call_(\d+\.\d+)_(\w+)$/.exec(message.tool_call_id ?? '');
    if (message.role !== 'tool' || named === null) return [];
    const text = typeof message.content === 'string' ? message.content : '';
    const code = /^\{"error":\{.*?"code":"(\w+)"/.exec(text)?.[1];
    return [{ position: named[1] ?? '', tool: named[2] ?? '', status: code ?? 'ok' }];
  });
}
