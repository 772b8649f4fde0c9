/** Fifty runs of `payment-app.ts` under faults: how the provider answers, and what must hold after. */
import { expect } from 'vitest';
import type { Run } from '../../client/index.ts';
import type { RunEvent } from '../../contracts/events.ts';
import { readJournal } from '../../storage/reading-runs.ts';
import {
  type ChatRequest,
  fault,
  type Fault,
  reply,
  type Reply,
} from '../../testing/provider/index.ts';
import type { Payments } from './payments.ts';
import type { Seeded } from './seeded.ts';
import type { World } from './world.ts';

const faults: readonly (() => Fault)[] = [
  () => fault.rateLimited({ retryAfterMs: 200 }),
  () => fault.serverError(),
  () => fault.overloaded(),
  () => fault.reset(),
  () => fault.hang(),
  () => fault.cutStream(),
  () => fault.idleStream(),
  () => fault.malformedJson(),
  () => fault.malformedStream(),
  () => fault.streamedError(),
  () => fault.emptyReply(),
];

/** A provider that thinks, fails and writes nonsense by the seed, and else goes on where a run stands. */
export function cashierScript(
  random: Seeded,
  odds: { readonly faults: number; readonly nonsense: number; readonly thinkMs: number },
): (request: ChatRequest) => Reply | Fault {
  return (request) => {
    if (random.chance(odds.faults)) return random.pick(faults)();
    const more = { thinkMs: Math.round(odds.thinkMs * (0.5 + random.next())) };
    const texts = request.messages.map((message) => JSON.stringify(message));
    const wires = texts.some((text) => text.includes('wire it'));
    const stages = wires
      ? [{ lookup: {} }, { charge: {}, mark: {} }, { wire: {} }]
      : [{ lookup: {} }, { charge: {}, mark: {} }];
    const stage = stages[stagesDone(request)];
    if (stage === undefined) return reply.text('Charged.', more);
    if (random.chance(odds.nonsense))
      return reply.tools(
        { lookup: random.pick(['{"id": ', '{"id": 7}', '[]', '{"no": "id"}']) },
        more,
      );
    return reply.tools(
      Object.fromEntries(Object.keys(stage).map((name) => [name, { id: 'A-17' }])),
      more,
    );
  };
}

/** Steps whose calls had arguments that fit. */
function stagesDone(request: ChatRequest): number {
  let done = 0;
  let open = false;
  let misfit = false;
  for (const message of request.messages) {
    if (message.role === 'assistant') {
      if (open && !misfit) done += 1;
      open = true;
      misfit = false;
    } else if (message.role === 'tool' && JSON.stringify(message).includes('bad_arguments'))
      misfit = true;
  }
  return open && !misfit ? done + 1 : done;
}

export async function startCashiers(world: World, count: number): Promise<readonly Run<string>[]> {
  const runs: Run<string>[] = [];
  for (let index = 0; index < count; index += 10)
    runs.push(
      ...((await Promise.all(
        Array.from({ length: Math.min(10, count - index) }, (_, offset) =>
          world.belayer.start('cashier', {
            input:
              (index + offset) % 3 === 0
                ? `Run ${index + offset}: wire it`
                : `Run ${index + offset}`,
          }),
        ),
      )) as Run<string>[]),
    );
  return runs;
}

/** Answers requests of unknown outcome as a careful human would: by asking the payment service. */
export function answerUnknowns(
  world: World,
  payments: Payments,
): { readonly answered: readonly string[]; stop(): Promise<void> } {
  const answered: string[] = [];
  let stopped = false;
  const loop = async (): Promise<void> => {
    while (!stopped) {
      for (const request of await world.belayer.inbox().catch(() => [])) {
        const reference = `${request.run}/${request.position.split('/')[0]}`;
        const run = await world.belayer.run(request.run).catch(() => undefined);
        const decided = await (
          payments.moved.has(reference)
            ? run?.deny(request.position)
            : run?.approve(request.position)
        )?.catch(() => undefined);
        if (decided !== undefined) answered.push(`${reference} ${decided.verdict}`);
      }
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  };
  const looping = loop();
  return {
    answered,
    async stop() {
      stopped = true;
      await looping;
    },
  };
}

export interface Silences {
  /** From the moment to each run's next event, longest first, in milliseconds. */
  readonly next: readonly number[];
  /** The longest between two events of one run after the moment. */
  readonly between: readonly number[];
}

/** How long runs that were under way at a moment were silent after it. */
export async function silencesAfter(
  world: World,
  runs: readonly Run[],
  momentMs: number,
): Promise<Silences> {
  const next: number[] = [];
  const between: number[] = [];
  for (const run of runs) {
    const times = (await eventsOf(run)).map((event) => Date.parse(event.at));
    const after = [momentMs, ...times.filter((time) => time > momentMs)];
    if (after.length === 1) continue;
    next.push((after[1] ?? 0) - momentMs);
    between.push(Math.max(...after.slice(1).map((time, index) => time - (after[index] ?? time))));
  }
  const descending = (left: number, right: number): number => right - left;
  expect(world).toBeDefined();
  return { next: next.toSorted(descending), between: between.toSorted(descending) };
}

export async function eventsOf(run: Run): Promise<readonly RunEvent[]> {
  const events: RunEvent[] = [];
  for await (const event of run.watch()) events.push(event);
  return events;
}

/** None lost, none stuck, no effect doubled, no money that nobody spent. */
export async function expectSoundRuns(
  world: World,
  payments: Payments,
  runs: readonly Run<string>[],
  seed: number,
): Promise<void> {
  const note = `seed ${seed}`;
  const doubled = [...payments.moved].filter(([, times]) => times > 1);
  expect(doubled, note).toEqual([]);
  for (const run of runs) {
    expect(await run.output(), `${note}, run ${run.id}`).toBe('Charged.');
    const status = await run.status();
    expect(status.reservedMicroUsd, `${note}, run ${run.id}`).toBe(0);
    const journal = await readJournal(world.database, run.id);
    const spent = journal.reduce((sum, row) => sum + row.costMicroUsd, 0);
    expect(status.costMicroUsd, `${note}, run ${run.id}`).toBe(spent);
    expect(status.costMicroUsd).toBeLessThanOrEqual(status.ceilingMicroUsd);
    const positions = journal.filter((row) => row.kind === 'tool').map((row) => row.position);
    for (const [tool, times] of [
      ['charge', 1],
      ['mark', 1],
    ] as const) {
      const own = new Set(journal.filter((row) => row.name === tool).map((row) => row.position));
      expect(own.size, `${note}, ${tool} of run ${run.id}`).toBe(times);
      for (const position of own)
        expect(payments.moved.get(`${run.id}/${position}`), `${note} ${run.id}/${position}`).toBe(
          1,
        );
    }
    expect(positions.length).toBeGreaterThan(0);
    // Events are numbered without gaps.
    const numbers = (await eventsOf(run)).map((event) => event.number);
    expect(numbers, note).toEqual(numbers.map((_, index) => index + 1));
    // A prompt is sent at most once per journalled attempt.
    const attempts = journal.filter((row) => row.kind === 'model').length;
    const sent = world.provider.requests.filter((request) => request.body.includes(run.id)).length;
    expect(sent).toBeLessThanOrEqual(attempts);
  }
}
