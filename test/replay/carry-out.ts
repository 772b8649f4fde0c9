import type { Run } from '../../client/index.ts';
import type { World } from '../support/world.ts';
import type { Scenario } from './scenarios.ts';

/** Plays a scenario to its end, and gives the run that it is about. */
export async function carryOut(world: World, scenario: Scenario): Promise<Run> {
  world.provider.script(scenario.script);
  await scenario.prepare?.(world);
  const { taskQueue } = scenario;
  const client = taskQueue === undefined ? world.belayer : await world.clientOn(taskQueue);
  const started = await client.start(scenario.agent ?? 'worker', {
    input: scenario.name,
    key: scenario.name,
    ...(scenario.limits === undefined ? {} : { limits: scenario.limits }),
  });
  await scenario.meanwhile?.(started, world);
  await started.outcome();
  const run = (await scenario.instead?.(started, world)) ?? started;
  await run.outcome();
  return run;
}
