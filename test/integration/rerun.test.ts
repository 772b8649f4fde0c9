import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { z } from 'zod';
import type { RecordingLine } from '../../contracts/recording.ts';
import { type App, askHuman, defineAgent, defineApp, defineTool } from '../../definitions/index.ts';
import { createRecordingWriter } from '../../storage/recordings/recording-lines.ts';
import { readRecording } from '../../storage/recordings/read-recording.ts';
import { type ChatRequest, type Reply, reply, rerun, type RerunOptions, type RerunResult, type Script } from '../../testing/index.ts'; // prettier-ignore
import { eventually } from '../support/eventually.ts';
import { recordingOf } from '../support/recording-of.ts';
import { createWorld, testPrices, type World } from '../support/world.ts';

/** How often each tool's own code ran, whoever called it. */
const ran = { order: 0, refund: 0 };

/** The application, and what of it a later version says otherwise. */
function appOf(
  now: {
    readonly instructions?: string;
    readonly model?: string;
    readonly description?: string;
    readonly asksAbove?: number;
    readonly orderState?: string;
    readonly idPattern?: RegExp;
  } = {},
): App {
  const order = defineTool({
    name: 'order',
    description: now.description ?? 'Look an order up.',
    effect: 'read',
    input: z.object({ id: now.idPattern === undefined ? z.string() : z.string().regex(now.idPattern) }), // prettier-ignore
    run: ({ id }) => {
      ran.order += 1;
      return { id, state: now.orderState ?? 'shipped' };
    },
  });
  const refund = defineTool({
    name: 'refund',
    description: 'Refund an order.',
    effect: 'write',
    repeat: 'keyed',
    keyValid: '24 hours',
    approval: ({ amountUsd }) => amountUsd > (now.asksAbove ?? 50),
    input: z.object({ id: z.string(), amountUsd: z.number() }),
    run: ({ amountUsd }) => {
      ran.refund += 1;
      return { refunded: amountUsd };
    },
  });
  const researcher = defineAgent({ name: 'researcher', instructions: 'Research.', tools: [order] });
  return defineApp({
    agents: [
      defineAgent({
        name: 'support',
        instructions: now.instructions ?? 'Answer about orders.',
        ...(now.model === undefined ? {} : { model: now.model }),
        tools: [order, refund, askHuman(), researcher.asTool()],
      }),
      researcher,
      defineAgent({
        name: 'talker',
        instructions: now.instructions ?? 'Talk.',
        tools: [order],
        session: { idle: '1 second', whileWorking: 'steer' },
      }),
    ],
  });
}

let world: World;
let folder: string;
let environment: Record<string, string>;
beforeAll(async () => {
  world = await createWorld();
  await world.work(appOf());
  folder = mkdtempSync(join(tmpdir(), 'belayer-rerun-'));
  const prices = join(folder, 'prices.json');
  const dear = { inputUsdPerMillion: 10, outputUsdPerMillion: 20 };
  writeFileSync(prices, JSON.stringify({ ...testPrices, 'dear-model': dear }));
  environment = { OPENAI_API_KEY: 'test', OPENAI_BASE_URL: world.provider.baseURL, BELAYER_PRICES: prices }; // prettier-ignore
});
afterAll(async () => {
  await world?.stop();
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
});
beforeEach(() => Object.assign(ran, { order: 0, refund: 0 }));

const ended: Script = [
  reply.tools({ order: { id: 'A-17' } }),
  reply.tools({ refund: { id: 'A-17', amountUsd: 80 } }),
  reply.text('Refunded.'),
];

/** A run with a read, a refund that a human approved, and an answer: its recording. */
async function aRecording(script: Script = ended, edit?: unknown): Promise<string> {
  world.provider.script(script);
  const run = await world.belayer.start('support', { input: 'Refund A-17.' });
  const over = run.outcome();
  void (async () => {
    const open = await eventually(async () => (await run.requests()).find(({ state }) => state === 'open')); // prettier-ignore
    if (open.kind === 'question') await run.answer(open.position, 'Yes.');
    else await run.approve(open.position, edit === undefined ? {} : { edit });
  })().catch(() => undefined);
  await over;
  const text = await recordingOf(world, run.id);
  Object.assign(ran, { order: 0, refund: 0 });
  return text;
}

const again = (
  now: Parameters<typeof appOf>[0],
  recording: string,
  options: RerunOptions = {},
): Promise<RerunResult> =>
  // prettier-ignore
  rerun(appOf(now), recording, { environment, ...options });

const toolsRecorded = (
  now: Parameters<typeof appOf>[0],
  recording: string,
  script: Script,
  options: RerunOptions = {},
): Promise<RerunResult> => {
  world.provider.script(script);
  return again(now, recording, { mode: 'tools-recorded', ...options });
};

/** The recording with some lines changed, and every hash of the file made anew. */
function changed(
  text: string,
  change: (line: RecordingLine) => Record<string, unknown> | undefined,
): string {
  // prettier-ignore
  const writer = createRecordingWriter();
  return readRecording(text)
    .lines.map((line) => writer.line({ ...line, body: change(line) ?? line.body }))
    .join('');
}
const at = (part: string, position: string, change: (body: Record<string, string>) => object) =>
  (line: RecordingLine) =>
    line.part === part && line.position === position
      ? { ...line.body, ...change(line.body as Record<string, string>) }
      : undefined; // prettier-ignore

/** A history that does not replay: its first activity has another time limit. */
function withOtherTimeout(line: RecordingLine): Record<string, unknown> | undefined {
  if (line.part !== 'history') return undefined;
  const body = structuredClone(line.body) as { history: { events: Record<string, Record<string, unknown>>[] } }; // prettier-ignore
  const call = body.history.events.find((event) => 'activityTaskScheduledEventAttributes' in event);
  call!['activityTaskScheduledEventAttributes']!['startToCloseTimeout'] = '999s';
  return body;
}

test('a strict rerun gives the same prompts, decisions and output, asks nobody and performs nothing', async () => {
  const recording = await aRecording();
  const asked = world.provider.requests.length;
  const result = await rerun(appOf(), recording, { environment: {} });
  expect(result).toMatchObject({
    verdict: 'unchanged',
    outcome: { recorded: 'done', now: 'done' },
    output: { now: { text: '"Refunded."' } },
    steps: { recorded: 3, now: 3 },
    cost: { liveMicroUsd: 0 },
  });
  expect(result.output.now).toEqual(result.output.recorded);
  expect(result.calls.map(({ now }) => now)).toEqual(result.calls.map((call) => call.recorded));
  expect(result.calls.map(({ position }) => position)).toEqual(['1', '2', '3']);
  expect(result.cost.afterTokens).toBe(result.cost.beforeTokens);
  expect(world.provider.requests).toHaveLength(asked);
  expect(ran).toEqual({ order: 0, refund: 0 });
  // The recording's path, and its bytes.
  const file = join(folder, 'run.jsonl');
  writeFileSync(file, recording);
  expect(await rerun(appOf(), file, { environment: {} })).toEqual(result);
  expect(await rerun(appOf(), Buffer.from(recording), { environment: {} })).toEqual(result);
});

test('a byte that was changed in a recorded reply, result, output or history is found at its position', async () => {
  const recording = await aRecording();
  const otherReply = changed(recording, at('call', '2', ({ fragment }) => ({ fragment: fragment?.replace('80', '81') }))); // prettier-ignore
  expect(await again({}, otherReply)).toMatchObject({
    verdict: 'stopped',
    stopped: { position: '2', what: 'recording' },
  });
  const otherResult = changed(recording, at('call', '1.1', ({ fragment }) => ({ fragment: fragment?.replace('shipped', 'shippee') }))); // prettier-ignore
  expect(await again({}, otherResult)).toMatchObject({
    verdict: 'stopped',
    stopped: { position: '1.1', what: 'recording' },
  });
  const otherOutput = changed(recording, at('call', '3', ({ fragment }) => ({ fragment: fragment?.replace('Refunded', 'Refundee') }))); // prettier-ignore
  expect(await again({}, otherOutput)).toMatchObject({ stopped: { position: '3' } });
  const otherPrompt = changed(recording, at('attempt', '2#1', () => ({ prompt_hash: 'x'.repeat(43) }))); // prettier-ignore
  expect(await again({}, otherPrompt)).toMatchObject({
    verdict: 'stopped',
    stopped: { position: '2', what: 'model call' },
  });
  const otherArguments = changed(recording, at('call', '2.1', () => ({ request_hash: 'y'.repeat(43) }))); // prettier-ignore
  expect(await again({}, otherArguments)).toMatchObject({ stopped: { position: '2.1' } });
  const otherHistory = changed(recording, withOtherTimeout);
  const replayed = await again({}, otherHistory);
  // What it says by content is the same; that its history is not is said as well.
  expect(replayed.verdict).toBe('unchanged');
  expect(replayed.history).toContain('startToCloseTimeout');
  expect(replayed.history).toContain(' at 1: activity callModel with another value');
  const other = [reply.tools({ order: { id: 'A-99' } })];
  expect(await toolsRecorded({}, otherHistory, other)).toMatchObject({
    verdict: 'stopped',
    decision: { position: '1.1', why: 'other arguments' },
    history: replayed.history,
  });
});

test('strict stops at the first prompt of a changed instruction and shows both sides', async () => {
  const result = await again({ instructions: 'Answer rudely.' }, await aRecording());
  expect(result).toMatchObject({
    verdict: 'stopped',
    stopped: { position: '1', what: 'model call' },
    prompt: {
      position: '1',
      path: 'messages[0].content',
      recorded: 'Answer about orders.',
      now: 'Answer rudely.',
    },
  });
  expect(result.prompt?.recordedHash).not.toBe(result.prompt?.nowHash);
});

test('strict shows where today’s approval function or schema decides otherwise', async () => {
  const recording = await aRecording();
  expect(await again({ asksAbove: 100 }, recording)).toMatchObject({
    verdict: 'decisions-differ',
    decision: { position: '2.1', why: 'asks no human' },
  });
  expect(await again({ idPattern: /^B/ }, recording)).toMatchObject({ verdict: 'stopped', prompt: { position: '1' } }); // prettier-ignore
});

test('a changed instruction that changes no decision is unchanged, with the first other prompt shown', async () => {
  const recording = await aRecording();
  const prompts: ChatRequest[] = [];
  const replies = ended as readonly Reply[];
  const result = await toolsRecorded({ instructions: 'Be kind.' }, recording, (request) => {
    // A provider names calls as it likes.
    const given = replies[prompts.push(request) - 1] ?? {};
    const toolCalls = (given.toolCalls ?? []).map((call) => ({ ...call, id: 'other' }));
    return { ...given, toolCalls };
  });
  expect(result).toMatchObject({
    verdict: 'unchanged',
    prompt: { position: '1', path: 'messages[0].content', now: 'Be kind.' },
    outcome: { now: 'done' },
  });
  expect(result.decision).toBeUndefined();
  expect(result.calls.map((call) => call.reply)).toEqual(['live', 'live', 'live']);
  expect(ran).toEqual({ order: 0, refund: 0 });
  // A result stands behind its call.
  const [, , last] = prompts;
  expect(last?.messages.map(({ role }) => role)).toEqual(['system', 'user', 'assistant', 'tool', 'assistant', 'tool']); // prettier-ignore
  expect(last?.messages[3]?.tool_call_id).toBe(last?.messages[2]?.tool_calls?.[0]?.id);
  expect(JSON.stringify(last)).toContain('shipped');
  expect(result.cost.liveMicroUsd).toBeGreaterThan(0);
  expect(result.cost.afterMicroUsd).toBe(result.cost.liveMicroUsd);
});

test('another model is priced as it is, and another output is the only difference', async () => {
  const recording = await aRecording();
  const script: Script = [...(ended as readonly Reply[]).slice(0, 2), reply.text('It is refunded.')]; // prettier-ignore
  const result = await toolsRecorded({ model: 'dear-model' }, recording, script);
  expect(result).toMatchObject({
    verdict: 'output-changed',
    prompt: { position: '1', path: 'model', recorded: 'test-model', now: 'dear-model' },
    output: { recorded: { text: '"Refunded."' }, now: { text: '"It is refunded."' } },
  });
  expect(result.cost.afterMicroUsd).toBeGreaterThan(result.cost.beforeMicroUsd * 5);
});

test('another description of a tool is shown where it stands in the prompt', async () => {
  const result = await toolsRecorded({ description: 'Find an order.' }, await aRecording(), ended);
  expect(result).toMatchObject({
    verdict: 'unchanged',
    prompt: { path: 'tools[0].function.description', recorded: 'Look an order up.', now: 'Find an order.' },
  }); // prettier-ignore
});

test('a read that the recording does not hold stops, is asked for, or runs, as is wished', async () => {
  const recording = await aRecording();
  const script: Script = [
    reply.tools({ order: { id: 'A-18' } }),
    reply.tools({ refund: { id: 'A-17', amountUsd: 80 } }),
    reply.text('Refunded.'),
  ];
  const stopped = await toolsRecorded({}, recording, script);
  expect(stopped).toMatchObject({
    verdict: 'stopped',
    decision: { position: '1.1', why: 'other arguments' },
    stopped: { position: '1.1', what: 'tool call', tool: 'order', arguments: { id: 'A-18' } },
  });
  expect(stopped.outcome).toEqual({ recorded: 'done' });
  expect(ran.order).toBe(0);
  const calls: unknown[] = [];
  const ask = (call: unknown): Promise<string> => {
    calls.push(call);
    return Promise.resolve('lost');
  };
  const before = world.provider.requests.length;
  const asked = await toolsRecorded({}, recording, script, { unmatched: 'ask', ask });
  expect(calls).toMatchObject([{ position: '1.1', tool: 'order', arguments: '{"id":"A-18"}' }]);
  expect(JSON.stringify(world.provider.requests[before + 1]?.json)).toContain('lost');
  // The approval was found by what it was about, the refund's result by its arguments.
  expect(asked).toMatchObject({
    verdict: 'decisions-differ',
    outcome: { now: 'done' },
    output: { now: { text: '"Refunded."' } },
  });
  const nobody = await toolsRecorded({}, recording, script, { unmatched: 'ask' });
  expect(nobody.verdict).toBe('stopped');
  expect(ran).toEqual({ order: 0, refund: 0 });
  const live = await toolsRecorded({}, recording, script, { unmatched: 'live' });
  expect(live).toMatchObject({ verdict: 'decisions-differ', outcome: { now: 'done' } });
  expect(ran).toEqual({ order: 1, refund: 0 });
});

test('a write that the recording does not hold is never performed: the rerun says what it would have been', async () => {
  const script: Script = [
    reply.tools({ order: { id: 'A-17' } }),
    reply.tools({ refund: { id: 'A-17', amountUsd: 8 } }),
    reply.text('Refunded.'),
  ];
  const result = await toolsRecorded({}, await aRecording(), script, { unmatched: 'live' });
  expect(result).toMatchObject({
    verdict: 'stopped',
    decision: { position: '2.1', why: 'other arguments', recorded: { tool: 'refund', arguments: { amountUsd: 80 } }, now: { arguments: { amountUsd: 8 } } },
    stopped: { position: '2.1', what: 'write', tool: 'refund', arguments: { id: 'A-17', amountUsd: 8 } },
  }); // prettier-ignore
  expect(ran.refund).toBe(0);
  // The same call a second time has no second result.
  const twice: Script = [
    reply.tools({ refund: { id: 'A-17', amountUsd: 80 } }),
    reply.tools({ refund: { id: 'A-17', amountUsd: 80 } }),
  ];
  const again_ = await toolsRecorded({ asksAbove: 1_000 }, await aRecording(), twice);
  expect(again_).toMatchObject({
    decision: { position: '1.1', why: 'other tool' },
    stopped: { position: '2.1', what: 'write' },
  });
  expect(ran.refund).toBe(0);
});

test('a request to a human that nobody decided then, and a sub-agent that did not run, stop the rerun', async () => {
  const recording = await aRecording();
  const asks: Script = [reply.tools({ ask_human: { question: 'Sure?' } })];
  expect(await toolsRecorded({}, recording, asks)).toMatchObject({
    verdict: 'stopped',
    decision: { why: 'other tool' },
    stopped: { position: '1.1/question', what: 'request', tool: 'ask_human', arguments: { question: 'Sure?' } },
  }); // prettier-ignore
  const delegates: Script = [reply.tools({ researcher: { input: 'refunds' } })];
  expect(await toolsRecorded({}, recording, delegates, { unmatched: 'live' })).toMatchObject({
    stopped: { position: '1.1', what: 'sub-agent', tool: 'researcher' },
  });
});

test('edits, answers and sub-agents are found by content behind another decision', async () => {
  const edited = await aRecording(ended, { id: 'A-17', amountUsd: 40 });
  const more: Script = [
    reply.tools({ refund: { id: 'A-17', amountUsd: 80 } }),
    reply.text('Refunded.'),
  ];
  const before = world.provider.requests.length;
  const result = await toolsRecorded({}, edited, more);
  expect(result).toMatchObject({ verdict: 'decisions-differ', outcome: { now: 'done' } });
  const last = JSON.stringify(world.provider.requests[before + 1]?.json);
  expect(last).toContain('a human changed the arguments to');
  expect(last).toContain('refunded');
  const answered = await aRecording([
    reply.tools({ order: { id: 'A-1' } }),
    reply.tools({ ask_human: { question: 'Sure?' } }),
    reply.text('Sure.'),
  ]);
  const asks: Script = [reply.tools({ ask_human: { question: 'Sure?' } }), reply.text('Sure.')];
  const seen = world.provider.requests.length;
  expect(await toolsRecorded({}, answered, asks)).toMatchObject({ outcome: { now: 'done' }, decision: { position: '1.1', why: 'other tool' } }); // prettier-ignore
  expect(JSON.stringify(world.provider.requests[seen + 1]?.json)).toContain('Yes.');
  const delegated = await aRecording([
    reply.tools({ order: { id: 'A-1' } }),
    reply.tools({ researcher: { input: 'refunds' } }),
    reply.text('Refunds are fine.'),
    reply.text('Fine.'),
  ]);
  const delegates: Script = (request) =>
    request.messages[0]?.content === 'Research.'
      ? reply.text('Refunds are fine.')
      : request.messages.length > 2
        ? reply.text('Fine.')
        : reply.tools({ researcher: { input: 'refunds' } });
  const both = await toolsRecorded({}, delegated, delegates);
  expect(both).toMatchObject({
    outcome: { now: 'done' },
    output: { now: { text: '"Fine."' } },
    subAgents: [{ verdict: 'unchanged', agent: 'researcher' }],
  });
  // What the sub-agent cost is in its own result, on both sides alike.
  const same = await again({}, delegated);
  expect(same.verdict).toBe('unchanged');
  expect(same.cost.beforeMicroUsd).toBeGreaterThan(0);
  for (const { cost } of [same, ...(same.subAgents ?? [])])
    expect([cost.afterMicroUsd, cost.afterTokens]).toEqual([cost.beforeMicroUsd, cost.beforeTokens]); // prettier-ignore
  const [child] = same.subAgents ?? [];
  const { costMicroUsd, tokens } = await (await world.belayer.run(same.run)).status();
  expect(same.cost.beforeMicroUsd + (child?.cost.beforeMicroUsd ?? 0)).toBe(costMicroUsd);
  expect(same.cost.beforeTokens + (child?.cost.beforeTokens ?? 0)).toBe(tokens);
});

test('the code of a tool that has changed runs where that is wished, whatever the recording holds', async () => {
  const recording = await aRecording();
  const recorded = await toolsRecorded({ orderState: 'lost' }, recording, ended);
  expect(recorded).toMatchObject({ verdict: 'unchanged' });
  expect(recorded.prompt).toBeUndefined();
  const live = await toolsRecorded({ orderState: 'lost' }, recording, ended, { live: ['order'] });
  expect(live).toMatchObject({
    verdict: 'unchanged',
    prompt: { position: '2', path: 'messages[3].content', recorded: '{"id":"A-17","state":"shipped"}', now: '{"id":"A-17","state":"lost"}' },
  }); // prettier-ignore
  expect(ran).toEqual({ order: 1, refund: 0 });
});

test('live-after takes replies from the recording until a prompt is another, or behind a position', async () => {
  const recording = await aRecording();
  const asked = world.provider.requests.length;
  const same = await again({}, recording, { mode: 'live-after' });
  expect(same).toMatchObject({ verdict: 'unchanged', cost: { liveMicroUsd: 0 } });
  expect(world.provider.requests).toHaveLength(asked);
  const nothing = await again({}, recording, { mode: 'live-after', after: '99' });
  expect(nothing).toMatchObject({ verdict: 'unchanged', nothingLive: 'Nothing was live: no model was asked behind 99 (the last call is at 3).' }); // prettier-ignore
  expect(same.nothingLive).toBeUndefined();
  world.provider.script([reply.text('All done.')]);
  const behind = await again({}, recording, { mode: 'live-after', after: '2' });
  expect(behind.calls.map((call) => call.reply)).toEqual(['recording', 'recording', 'live']);
  expect(behind.nothingLive).toBeUndefined();
  expect(behind).toMatchObject({ verdict: 'output-changed', output: { now: { text: '"All done."' } } }); // prettier-ignore
  world.provider.script(ended);
  const other = await again({ instructions: 'Be kind.' }, recording, { mode: 'live-after' });
  expect(other.calls.map((call) => call.reply)).toEqual(['live', 'live', 'live']);
});

test('what a fork was given is taken from its recording in every mode, and no model is asked for it', async () => {
  world.provider.script([reply.tools({ order: { id: 'A-17' } }), reply.text('Shipped.')]);
  const parent = await world.belayer.start('support', { input: 'Where is A-17?' });
  await parent.output();
  const script: Script = [reply.text('It is elsewhere.')];
  world.provider.script(script);
  const fork = await parent.fork({ at: '1.1', edit: { arguments: { id: 'A-18' } } });
  await fork.output();
  const recording = await recordingOf(world, fork.id);
  expect(await again({}, recording)).toMatchObject({ verdict: 'unchanged' });
  const asked = world.provider.requests.length;
  const result = await toolsRecorded({}, recording, script);
  expect(result).toMatchObject({
    verdict: 'unchanged',
    calls: [
      { position: '1', reply: 'recording' },
      { position: '2', reply: 'live' },
    ],
  });
  expect(world.provider.requests).toHaveLength(asked + 1);
  expect(result.cost.afterMicroUsd).toBe(result.cost.liveMicroUsd);
  expect(result.cost.afterTokens).toBe(result.cost.beforeTokens);
  // By content as well, where its history does not replay.
  const otherHistory = changed(recording, withOtherTimeout);
  const byContent = await toolsRecorded({}, otherHistory, script);
  expect(byContent.history).toContain('startToCloseTimeout');
  expect(byContent).toMatchObject({ verdict: 'unchanged', calls: result.calls });
  expect(world.provider.requests).toHaveLength(asked + 2);
  const text = await parent.fork({ at: '1', edit: { reply: 'Given.' } });
  await text.output();
  const given = await again({ instructions: 'Be kind.' }, await recordingOf(world, text.id), {
    mode: 'live-after',
  });
  expect(given).toMatchObject({ verdict: 'unchanged', calls: [{ reply: 'recording' }] });
  expect(world.provider.requests).toHaveLength(asked + 2);
});

test('what people said to a session is said again at the same step, though the agent goes its own way', async () => {
  world.provider.script((request) => {
    const last = request.messages.at(-1);
    if (last?.role === 'tool') return reply.text('Looked.', { thinkMs: 10 });
    return last?.content === 'two'
      ? reply.tools({ order: { id: 'B' } })
      : reply.tools({ order: { id: 'A' } });
  });
  const first = await world.belayer.send('talker', { session: 'said', message: 'one', by: 'ann' });
  await first.output();
  const second = await world.belayer.send('talker', { session: 'said', message: 'two', by: 'ann' });
  await second.output();
  await first.run.outcome();
  const recording = await recordingOf(world, first.run.id);
  expect(await again({}, recording)).toMatchObject({ verdict: 'unchanged' });
  const seen = world.provider.requests.length;
  const other = await toolsRecorded({}, recording, (request) =>
    request.messages.at(-1)?.content === 'two'
      ? reply.tools({ order: { id: 'B' } })
      : reply.text('Straight.'),
  );
  expect(other).toMatchObject({
    verdict: 'decisions-differ',
    decision: { position: '1', why: 'an output instead of calls' },
    outcome: { recorded: 'done', now: 'done' },
    output: { now: { text: '"Straight."' } },
  });
  const heard = world.provider.requests.slice(seen).map(({ json }) => json.messages.at(-1)); // prettier-ignore
  expect(heard.map((message) => message?.role)).toEqual(['user', 'user', 'tool']);
});

test('a halt ends a rerun that went its own way at the step at which it ended the run', async () => {
  world.provider.script([
    reply.tools({ order: { id: 'A' } }),
    { ...reply.text('never'), thinkMs: 60_000 },
  ]);
  const run = await world.belayer.start('support', { input: 'Halt me.' });
  await eventually(async () => (await run.status()).steps >= 1);
  await run.halt('enough');
  expect(await run.outcome()).toMatchObject({ because: 'halted' });
  const recording = await recordingOf(world, run.id);
  expect(await again({}, recording)).toMatchObject({ verdict: 'unchanged', outcome: { now: 'stopped: halted' } }); // prettier-ignore
  const other = await toolsRecorded({}, recording, () => reply.tools({ order: { id: 'B' } }), { unmatched: 'live' }); // prettier-ignore
  expect(other).toMatchObject({
    verdict: 'decisions-differ',
    outcome: { recorded: 'stopped: halted', now: 'stopped: halted' },
  });
});

test('a run that goes on is rerun as far as its recording reaches', async () => {
  world.provider.script(ended);
  const run = await world.belayer.start('support', { input: 'Refund A-17.' });
  await eventually(async () => (await run.requests()).some(({ state }) => state === 'open'));
  const result = await again({}, await recordingOf(world, run.id));
  expect(result).toMatchObject({
    verdict: 'open',
    outcome: { recorded: 'open', now: 'open' },
    steps: { recorded: 2, now: 2 },
    calls: [{ position: '1' }, { position: '2' }],
  });
  await run.halt('over');
  await run.outcome();
});

test('what cannot be rerun says why, and options that do not fit are refused before anything starts', async () => {
  const recording = await aRecording();
  const gone = await rerun(defineApp({ agents: [defineAgent({ name: 'other', instructions: '-', model: 'test-model' })] }), recording, { environment }); // prettier-ignore
  expect(gone).toMatchObject({ verdict: 'not-rerun', because: "Today's application has no agent `support`." }); // prettier-ignore
  const redacted = changed(recording, (line) =>
    line.part === 'end'
      ? { ...line.body, void: { content: [], histories: [], chains: [], prompts: [{ run: line.run, position: '2', attempt: 1 }] } }
      : undefined,
  ); // prettier-ignore
  await expect(again({}, redacted)).rejects.toThrow(/1 prompt .* was redacted, the first at 2/);
  const old = '{"workflowId":"w","executions":[]}';
  await expect(again({}, old)).rejects.toThrow('it can be replayed, not rerun');
  await expect(again({}, join(folder, 'none.jsonl'))).rejects.toThrow('cannot be read');
  await expect(again({}, recording, { live: ['order'] })).rejects.toThrow('`strict` takes everything'); // prettier-ignore
  await expect(again({}, recording, { after: '2' })).rejects.toThrow('`after` is for the mode');
  await expect(again({}, recording, { mode: 'tools-recorded', live: ['refund'] })).rejects.toThrow('`refund` cannot run live'); // prettier-ignore
  await expect(again({}, recording, { mode: 'tools-recorded', live: ['nothing'] })).rejects.toThrow('no tool `nothing`'); // prettier-ignore
  await expect(again({}, recording.slice(0, -10))).rejects.toThrow('recording');
});
