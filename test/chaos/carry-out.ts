/** Carries the runs of a schedule out, so many at once, and waits until each has ended or waits for a human. */
import type { Run } from '../../client/index.ts';
import { type Driver, driveRuns } from './drive-runs.ts';
import type { Fault } from '../../testing/provider/index.ts';
import { createHalter, type Halter } from './halter.ts';
import { type Human, startHuman } from './human.ts';
import { patiently } from './patiently.ts';
import type { Asked } from './chaos-tools.ts';
import type { Conduct } from './payment-service.ts';
import type { Scenario, Schedule } from './scenario.ts';
import type { Stage } from './stage.ts';

export interface Load {
  readonly seed: number;
  readonly schedule: Schedule;
  readonly runs: number;
  readonly atOnce: number;
  /** No run is started after it. */
  readonly startMsMax: number;
  /** How long the last runs may take after everything is back. */
  readonly settleMsMax: number;
  readonly conduct: (asked: Asked, time: number) => Conduct;
  readonly providerFaults: number;
  readonly fault?: (scenario: Scenario, step: number, time: number) => Fault | undefined;
}

export interface Carried {
  /** Order by run id. */
  readonly orders: ReadonlyMap<string, string>;
  readonly driver: Driver;
  readonly halter: Halter;
  readonly human: Human;
  readonly tookMs: number;
  /** Runs that neither ended nor wait for a human. */
  readonly stuck: readonly string[];
}

export async function carryOut(
  { world, service }: Stage,
  load: Load,
  /** Told when the last run has been started. */
  onStarted: () => Promise<void>,
): Promise<Carried> {
  const orders = new Map<string, string>();
  const runs = new Map<
    string,
    { readonly run: Promise<Run>; readonly started: (run: Run) => void }
  >();
  const entryOf = (order: string) => {
    const known = runs.get(order);
    if (known !== undefined) return known;
    let started: (run: Run) => void = () => undefined;
    const run = new Promise<Run>((resolve) => (started = resolve));
    const entry = { run, started };
    runs.set(order, entry);
    return entry;
  };
  const halter = createHalter((order) => entryOf(order).run);
  const driver = driveRuns({
    ...load,
    faults: load.providerFaults,
    onPrompt(scenario, step, moment) {
      if (moment === 'arrived') halter.saw(scenario, step, 'model thinks');
      if (moment === 'arrived') halter.saw(scenario, step, 'reply streams');
      halter.saw(scenario, step, moment === 'failed' ? 'model backs off' : 'between steps');
    },
  });
  world.provider.script(driver.script);
  service.conduct(load.conduct);
  service.listen(({ order, position }, moment) => {
    const step = Number.parseInt(position, 10);
    if (moment === 'arrived') halter.saw(load.schedule(order), step, 'tool runs');
    if (moment === 'failed') halter.saw(load.schedule(order), step, 'tool backs off');
  });
  const scenarioOf = (run: string): Scenario | undefined => {
    const order = orders.get(run);
    return order === undefined ? undefined : load.schedule(order);
  };
  const human = startHuman(world, service, scenarioOf, (scenario, step) =>
    halter.saw(scenario, step, 'human is asked'),
  );

  /** Runs that neither have ended nor wait for a human who will stay silent. */
  const unresting = async (ids: readonly string[]): Promise<readonly string[]> => {
    const rows = await world.database.query<{ id: string; asks: boolean }>(
      {
        name: 'chaos_unresting',
        text: `select r.id, exists (select from belayer.request q
            where q.run_no = r.no and q.state = 'open' and q.kind = 'approval') as asks
          from belayer.run r where r.id = any($1) and r.ended_at is null`,
      },
      [ids],
    );
    return rows
      .filter(({ id, asks }) => !(asks && scenarioOf(id)?.approval === 'silence'))
      .map(({ id }) => id);
  };
  const forgetResting = async (active: Set<string>): Promise<void> => {
    if (active.size === 0) return;
    const still = new Set(await patiently(() => unresting([...active])));
    for (const run of active) if (!still.has(run)) active.delete(run);
  };

  const beganMs = Date.now();
  let next = 0;
  const active = new Set<string>();
  const starting = new Set<string>();
  const start = async (order: string): Promise<void> => {
    const scenario = load.schedule(order);
    // With a key, asking again while a server is down starts nothing twice.
    const run = await patiently(() =>
      world.belayer.start(scenario.agent, {
        input: `Order ${order}`,
        key: `${load.seed}-${order}`,
      }),
    );
    orders.set(run.id, order);
    active.add(run.id);
    entryOf(order).started(run);
    halter.saw(scenario, 1, 'start');
  };
  const mayStart = (): boolean => next < load.runs && Date.now() - beganMs < load.startMsMax;
  while (mayStart() || starting.size > 0) {
    while (mayStart() && active.size + starting.size < load.atOnce) {
      const order = String(next);
      next += 1;
      starting.add(order);
      void start(order).finally(() => starting.delete(order));
    }
    await forgetResting(active);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  await onStarted();
  await halter.settled();
  const until = Date.now() + load.settleMsMax;
  while (active.size > 0 && Date.now() < until) {
    await forgetResting(active);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  const tookMs = Date.now() - beganMs;
  // Halts of a human's wait fall due only now; and a run whose human was asked may go on.
  await halter.settled();
  while (Date.now() < until && (await patiently(() => unresting([...orders.keys()]))).length > 0)
    await new Promise((resolve) => setTimeout(resolve, 200));
  await human.stop();
  return {
    orders,
    driver,
    halter,
    human,
    tookMs,
    stuck: await unresting([...orders.keys()]),
  };
}
