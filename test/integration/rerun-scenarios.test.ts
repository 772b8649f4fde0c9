/** Every branch of the loop, run on real servers, recorded, and rerun strictly from the recording alone. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { readRecording } from '../../storage/recordings/read-recording.ts';
import type { RerunResult } from '../../testing/index.ts';
import { type Reruns, startReruns } from '../../testing/rerun/rerun.ts';
import { app, scenarios } from '../replay/scenarios.ts';
import { recordingOf } from '../support/recording-of.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let reruns: Reruns;
beforeAll(async () => {
  world = await createWorld({ dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 60 } });
  await world.work(app);
  // No key and no address: whoever asked a model would be told so.
  reruns = await startReruns(app, { environment: {} });
});
afterAll(async () => {
  await reruns?.close();
  await world?.stop();
});

test.each(scenarios.map((scenario) => [scenario.name, scenario] as const))(
  'a strict rerun of %s sends the same prompts, decides the same and ends the same',
  async (_, scenario) => {
    world.provider.script(scenario.script);
    const run = await world.belayer.start(scenario.agent ?? 'worker', {
      input: scenario.name,
      key: scenario.name,
      ...(scenario.limits === undefined ? {} : { limits: scenario.limits }),
    });
    await scenario.meanwhile?.(run, world);
    const outcome = await run.outcome();
    const recording = readRecording(await recordingOf(world, run.id));
    const asked = world.provider.requests.length;
    const result = await reruns.rerun(recording);
    expect(result).toMatchObject({ verdict: 'unchanged', run: run.id });
    expect(result.outcome.now).toBe(result.outcome.recorded);
    if (outcome.kind === 'done') {
      expect(result.output.now).toEqual(result.output.recorded);
      expect(JSON.parse(result.output.now?.text ?? '')).toEqual(outcome.output);
    }
    for (const call of callsOf(result))
      if (call.recorded !== undefined) expect(call.now).toBe(call.recorded);
    expect(result.steps.now).toBe(result.steps.recorded);
    expect(world.provider.requests).toHaveLength(asked);
    if (scenario.name === 'sub-agent')
      expect(result.subAgents).toMatchObject([{ run: `${run.id}/1.1`, verdict: 'unchanged' }]);
    if (scenario.name === 'continued-as-new') {
      expect(recording.executions.length).toBeGreaterThan(1);
      expect(result.calls.length).toBeGreaterThan(20);
    }
  },
);

const callsOf = (result: RerunResult): RerunResult['calls'] => [
  ...result.calls,
  ...(result.subAgents ?? []).flatMap(callsOf),
];
