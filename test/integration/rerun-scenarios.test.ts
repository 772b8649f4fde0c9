/** Every branch of the loop, run on real servers, recorded, and rerun from the recording alone. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { firstState } from '../../rules/run-state.ts';
import { readRecording, type Recording } from '../../storage/recordings/read-recording.ts';
import type { RerunResult } from '../../testing/index.ts';
import { type Reruns, startReruns } from '../../testing/rerun/rerun.ts';
import { type StrictReplay, startStrictReplay } from '../../testing/replay/strict-replay.ts';
import { goOn } from '../../testing/rerun/go-on.ts';
import { recordedRuns } from '../../testing/rerun/recorded-run.ts';
import { peopleAhead, recordedTools, replayMoments } from '../../testing/rerun/rerun-one.ts';
import { Rerunning } from '../../testing/rerun/rerunning.ts';
import { todaysAgent } from '../../testing/rerun/todays-agent.ts';
import { carryOut } from '../replay/carry-out.ts';
import { app, scenarios, wholeApp } from '../replay/scenarios.ts';
import { recordingOf } from '../support/recording-of.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;
let reruns: Reruns;
let strict: StrictReplay;
beforeAll(async () => {
  world = await createWorld({ dynamicConfig: { 'limit.historyCount.suggestContinueAsNew': 60 } });
  await world.work(app);
  // No key and no address: whoever asked a model would be told so.
  strict = await startStrictReplay();
  reruns = await startReruns(wholeApp, { environment: {} });
});
afterAll(async () => {
  await reruns?.close();
  await strict?.close();
  await world?.stop();
});

test.each(scenarios.map((scenario) => [scenario.name, scenario] as const))(
  'a rerun of %s sends the same prompts and ends the same, by its history and by content alone',
  async (_, scenario) => {
    const run = await carryOut(world, scenario);
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
    if (!withoutContent.includes(scenario.name)) await goesOnByContent(recording, result);
    if (scenario.name === 'sub-agent')
      expect(result.subAgents).toMatchObject([{ run: `${run.id}/1.1`, verdict: 'unchanged' }]);
    if (scenario.name === 'continued-as-new') {
      expect(recording.executions.length).toBeGreaterThan(1);
      expect(result.calls.length).toBeGreaterThan(20);
    }
  },
);

/** What happened to a model call, and not what was said: a rerun that goes its own way does not meet it again. */
const withoutContent = ['rejected', 'fallback-model', 'cost-limit', 'model-given-up-by-a-human'];

/** Without its history, from the very first call: the same prompts, and the same end. */
async function goesOnByContent(recording: Recording, strictly: RerunResult): Promise<void> {
  const [recorded] = recordedRuns(recording);
  const today = todaysAgent(wholeApp, recorded.agent, recorded.frozen.models[0])!;
  const { moments } = await replayMoments(recorded, strict);
  const rerun = new Rerunning(recorded, today, {
    mode: 'live-after',
    unmatched: 'stop',
    live: new Set(),
    after: undefined,
    ask: undefined,
    models: () => Promise.reject(new Error('the recording holds every reply')),
    secrets: () => undefined,
    signal: new AbortController().signal,
  });
  const { input, startedAtMs, transcript } = moments[0]!.state;
  await rerun.begin(transcript);
  const outcome = await goOn(rerun, firstState(today.input(input), startedAtMs), {
    tools: recordedTools(recorded, moments),
    ...peopleAhead(recorded, moments, -1),
  });
  expect(outcome?.kind).toBe(strictly.outcome.recorded.split(':')[0]);
  if (outcome?.kind === 'done') expect(outcome.output).toBe(strictly.output.recorded?.hash);
  const replied = strictly.calls.filter(({ reply }) => reply === 'recording');
  expect(rerun.calls.map(({ now }) => now)).toEqual(replied.map(({ now }) => now));
}

const callsOf = (result: RerunResult): RerunResult['calls'] => [
  ...result.calls,
  ...(result.subAgents ?? []).flatMap(callsOf),
];
