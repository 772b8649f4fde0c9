import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { runProgram } from '../../client/commands/program.ts';
import type { Belayer } from '../../client/connect.ts';
import type { Run } from '../../client/index.ts';
import { defineAgent, defineApp, defineTool } from '../../definitions/index.ts';
import { reply } from '../../testing/provider/index.ts';
import type { AgentWorker } from '../../workers/agent-worker.ts';
import { aTerminal } from '../support/a-terminal.ts';
import { eventually } from '../support/eventually.ts';
import { createWorld, type World } from '../support/world.ts';

let world: World;

interface More {
  /** In place of `pay`. */
  readonly tool?: string;
  /** False: without the agent that talks. */
  readonly talker?: false;
}

/** An application whose tools say which build they are of. */
function buildOf(name: string, buildId: string, more: More = {}) {
  const tool = (toolName: string, asks: boolean) =>
    defineTool({
      name: toolName,
      description: 'Says which build it is of.',
      effect: 'write',
      repeat: 'safe',
      ...(asks ? { approval: 'always' as const } : {}),
      input: z.object({}),
      run: () => `by ${buildId}`,
    });
  const look = defineTool({
    name: 'look',
    description: 'Says which build it is of, near.',
    effect: 'read',
    input: z.object({}),
    run: () => `by ${buildId}`,
  });
  const helper = defineAgent({
    name: `${name}-helper`,
    instructions: `Help, as ${buildId} says.`,
    tools: [look],
  });
  return defineApp({
    agents: [
      defineAgent({
        name,
        instructions: `Do what ${buildId} says.`,
        tools: [
          tool(more.tool ?? 'pay', true),
          tool('note', false),
          look,
          helper.asTool({ name: 'help' }),
        ],
      }),
      helper,
      ...(more.talker === false
        ? []
        : [
            defineAgent({
              name: `${name}-talker`,
              instructions: `Talk, as ${buildId} says.`,
              tools: [look],
              session: { idle: '1 day' },
            }),
          ]),
    ],
  });
}

interface Stage {
  readonly name: string;
  /** Starts a worker of a build. */
  work(buildId: string, more?: More): Promise<AgentWorker>;
  /** A fresh one has asked nobody yet where starts go. */
  client(): Promise<Belayer>;
  /** `belayer deployments ...`; what it printed, or what went wrong. */
  deployments(...words: string[]): Promise<string>;
  /** State by build. */
  states(): Promise<Readonly<Record<string, string>>>;
}

function stageOf(name: string): Stage {
  const taskQueue = `queue-${name}`;
  const deployments = async (...words: string[]): Promise<string> => {
    const { code, out, errors } = await belayer('deployments', ...words, '--deployment', name);
    expect(code, errors).toBe(0);
    return out;
  };
  return {
    name,
    work: (buildId, more) =>
      world.work(buildOf(name, buildId, more), { taskQueue, build: { deployment: name, buildId } }),
    client: () => world.clientOn(taskQueue),
    deployments,
    async states() {
      const rows = (await deployments('--json')).trim().split('\n');
      return Object.fromEntries(
        rows
          .map((row) => JSON.parse(row) as { readonly buildId: string; readonly state: string })
          .map(({ buildId, state }) => [buildId, state]),
      );
    },
  };
}

async function belayer(...words: string[]) {
  const terminal = aTerminal({
    folder: tmpdir(),
    environment: {
      PATH: process.env['PATH'] ?? '',
      HOME: process.env['HOME'] ?? '',
      TEMPORAL_ADDRESS: world.servers.addresses.temporal.address,
      DATABASE_URL: world.servers.addresses.databaseUrl,
      BELAYER_DATA: join(tmpdir(), 'belayer-test-bundles'),
    },
  });
  const code = await runProgram(words, terminal);
  return { code, out: terminal.output(), errors: terminal.errors() };
}

interface Message {
  readonly role: string;
  readonly content: string | null;
}

beforeAll(async () => {
  world = await createWorld({
    dynamicConfig: {
      // Temporal's own 3 minutes are for servers with other things to do.
      'matching.wv.VersionDrainageStatusVisibilityGracePeriod': '1s',
      'matching.wv.VersionDrainageStatusRefreshInterval': '1s',
    },
  });
  // The first words of a run name a tool; what comes after its result is the instructions and the result.
  world.provider.script(({ messages }) => {
    const said = messages as readonly Message[];
    const last = said.at(-1);
    // `use pay help`: one, and when it has answered, the other.
    const [first, second] =
      said
        .findLast(({ role }) => role === 'user')
        ?.content?.split(' ')
        .slice(1) ?? [];
    const isTool = last?.role === 'tool';
    const answered = said
      .slice(said.findLastIndex(({ role }) => role === 'user'))
      .filter(({ role }) => role === 'tool').length;
    const wanted = isTool ? (answered === 1 ? second : undefined) : first;
    if (wanted !== undefined)
      return reply.tools({ [wanted]: wanted === 'help' ? { input: 'use look' } : {} });
    return reply.text(`${said[0]?.content} ${last?.content}`);
  });
});
afterAll(async () => world?.stop());

const waits = (run: Run) =>
  eventually(async () => (await run.requests()).find(({ state }) => state === 'open')?.position);
const ends = async (run: Run): Promise<unknown> => {
  await run.approve(await waits(run), { by: 'ann' });
  return run.output();
};
const versionOf = async (workflowId: string): Promise<string> =>
  (await world.temporal.workflow.getHandle(workflowId).describe()).raw.workflowExecutionInfo
    ?.versioningInfo?.version ?? '';
/** `belayer replay --gate` of the newest runs of an agent: what it says at its end. */
async function gate(agent: string, last: number): Promise<string> {
  const { code, out, errors } = await belayer('replay', '--gate', '--last', `${last}`, '--agent', agent); // prettier-ignore
  expect(code, out + errors).toBe(0);
  return errors;
}
const startOf = async (stage: Stage, input: string) =>
  (await stage.client()).start(stage.name, { input });

test('runs end on the build that they began on, with its tools and words, while starts go to another', async () => {
  const stage = stageOf('shop');
  const first = await stage.work('one');
  // Nobody had to say so: it is the first.
  expect(first.build).toEqual({ deployment: 'shop', buildId: 'one', takesStarts: true });
  const before = await startOf(stage, 'use pay');
  await waits(before);

  const second = await stage.work('two');
  expect(second.build?.takesStarts).toBe(false);
  expect(await stage.states()).toEqual({ one: 'current', two: 'waiting' });
  const unpromoted = await startOf(stage, 'use pay');
  await waits(unpromoted);

  await stage.deployments('promote', 'two');
  expect(await stage.states()).toEqual({ one: 'draining', two: 'current' });
  const after = await startOf(stage, 'use pay');
  for (const run of [before, unpromoted]) expect(await ends(run)).toBe('Do what one says. by one');
  expect(await ends(after)).toBe('Do what two says. by two');
  // A call on the queue, a near one.
  for (const tool of ['note', 'look'])
    expect(await (await startOf(stage, `use ${tool}`)).output()).toBe('Do what two says. by two');
  await eventually(async () => (await stage.states())['one'] === 'drained');
  await first.stop();
  await second.stop();
});

test('a sub-agent is of the build of the run that called it, whatever was promoted meanwhile', async () => {
  const stage = stageOf('family');
  await stage.work('one');
  await stage.work('two');
  const parent = await (await stage.client()).start('family', { input: 'use pay help' });
  await waits(parent);
  await stage.deployments('promote', 'two');
  expect(await ends(parent)).toBe('Do what one says. Help, as one says. by one');
  const rows = await world.belayer.runs();
  const child = rows.find(({ id }) => id.startsWith(`${parent.id}/`));
  const versions = await Promise.all([parent.id, child?.id ?? ''].map(versionOf));
  expect(versions).toEqual(['family.one', 'family.one']);
});

test('a ramp gets its share of the starts, and a rollback takes the last step back', async () => {
  const stage = stageOf('ramp');
  await stage.work('one');
  await stage.work('two');
  const counts = async (starts: number) => {
    const client = await stage.client();
    const runs = await Promise.all(
      Array.from({ length: starts }, () => client.start('ramp', { input: 'use look' })),
    );
    const outputs = await Promise.all(runs.map((run) => run.output()));
    const by = (build: string) =>
      outputs.filter((output) => output === `Do what ${build} says. by ${build}`).length;
    return { one: by('one'), two: by('two') };
  };
  await stage.deployments('promote', 'two', '--ramp', '0');
  expect(await counts(8)).toEqual({ one: 8, two: 0 });
  await stage.deployments('promote', 'two', '--ramp', '50');
  expect(await stage.states()).toEqual({ one: 'current', two: 'ramping' });
  const half = await counts(40);
  // Each misses its turn forty times with a chance of one in 2 ** 40.
  expect(half.one).toBeGreaterThan(0);
  expect(half.two).toBeGreaterThan(0);
  expect(half.one + half.two).toBe(40);
  await stage.deployments('promote', 'two', '--ramp', '100');
  expect(await counts(8)).toEqual({ one: 0, two: 8 });
  await stage.deployments('rollback');
  expect((await stage.states())['one']).toBe('current');
  await stage.deployments('promote', 'two');
  expect(await counts(8)).toEqual({ one: 0, two: 8 });
  await stage.deployments('rollback');
  expect((await stage.states())['one']).toBe('current');
  expect(await counts(8)).toEqual({ one: 8, two: 0 });
});

test('a session moves to the new build when a turn has ended, with all that was said', async () => {
  const stage = stageOf('talk');
  await stage.work('one');
  const send = async (message: string) =>
    (await stage.client()).send('talk-talker', { session: 'ann', message });
  const first = await send('use look');
  expect(await first.output()).toBe('Talk, as one says. by one');
  await stage.work('two');
  await stage.deployments('promote', 'two', '--ramp', '100');
  // A ramp calls no one away from the current build.
  expect(await (await send('use look')).output()).toBe('Talk, as one says. by one');
  await eventually(async () => (await first.run.status()).state === 'waiting');
  expect(await versionOf(first.run.id)).toBe('talk.one');

  await stage.deployments('promote', 'two');
  expect(await (await send('use look')).output()).toBe('Talk, as one says. by one');
  await eventually(async () => (await versionOf(first.run.id)) === 'talk.two');
  // Its words are those that it began with; what its tools do is the new build's.
  const last = await send('use look');
  expect(await last.output()).toBe('Talk, as one says. by two');
  expect(last.number).toBe(4);
  expect(await gate('talk-talker', 1)).toMatch(/1 run: 1 replay, 0 differ\./);

  // Backwards as well: what was rolled back is left as soon.
  await stage.deployments('rollback');
  await (await send('use look')).output();
  await eventually(async () => (await versionOf(first.run.id)) === 'talk.one');
});

test('a session does not move to a build that lacks a function of it, and a run is not moved there by hand', async () => {
  const stage = stageOf('less');
  await stage.work('one');
  const talk = async () =>
    (await stage.client()).send('less-talker', { session: 'ann', message: 'use look' });
  const { run } = await talk();
  const waiting = await startOf(stage, 'use pay');
  await waits(waiting);
  await stage.work('two', { tool: 'refund', talker: false });
  await stage.deployments('promote', 'two');
  await (await talk()).output();
  await eventually(async () => (await run.status()).state === 'waiting');
  expect(await versionOf(run.id)).toBe('less.one');
  const moved = await belayer('deployments', 'move', waiting.id, '--to', 'two', '--deployment', 'less'); // prettier-ignore
  expect(moved.code).toBe(1);
  expect(moved.out).toBe(`${waiting.id}  refused: Build \`two\` lacks \`tool.pay.run\`.\n`); // prettier-ignore
  expect(await ends(waiting)).toBe('Do what one says. by one');
});

test('a run whose build has no worker left is lost in no way: it goes on where it is moved to', async () => {
  const stage = stageOf('gone');
  const first = await stage.work('one');
  const runs = await Promise.all([startOf(stage, 'use pay'), startOf(stage, 'use pay help')]);
  for (const run of runs) await waits(run);
  await stage.work('two');
  await stage.deployments('promote', 'two');
  await first.stop();
  const [alone, parent] = runs as [Run, Run];
  // It was told, and nobody is there to hear it.
  const [request] = await alone.requests();
  await world.temporal.workflow.getHandle(alone.id).signal('approve', {
    request: request?.position,
    argumentsHash: request?.argumentsHash,
    by: 'ann',
  });
  // The new build's code decides as they did.
  expect(await gate('gone', 2)).toMatch(/2 runs: 2 replay, 0 differ\./);
  const moved = await stage.deployments('move', '--from', 'one', '--to', 'two');
  expect(moved).toBe(runs.map(({ id }) => `${id}  moved\n`).toSorted().join('')); // prettier-ignore
  expect(await alone.output()).toBe('Do what one says. by two');
  expect(await ends(parent)).toBe('Do what one says. Help, as two says. by two');
  await eventually(async () => (await stage.states())['one'] === 'drained');
});

test('a first build beside workers without a deployment waits, and takes over when it is promoted', async () => {
  const stage = stageOf('late');
  const old = await world.work(buildOf('late', 'old'), { taskQueue: 'queue-late' });
  const joining = await stage.work('one');
  expect(joining.build?.takesStarts).toBe(false);
  expect(await (await startOf(stage, 'use look')).output()).toBe('Do what old says. by old');
  const open = await startOf(stage, 'use pay');
  await waits(open);
  await stage.deployments('promote', 'one');
  await eventually(
    async () => (await (await startOf(stage, 'use look')).output()) === 'Do what one says. by one',
  );
  // What was open goes on with the build, as with any worker that replaces another.
  expect(await ends(open)).toBe('Do what old says. by one');
  await old.stop();
});

test('what a deployment cannot do is refused by name', async () => {
  const stage = stageOf('strict');
  await stage.work('one');
  const refused = async (words: readonly string[], message: RegExp) => {
    const { code, errors } = await belayer('deployments', ...words);
    expect(errors).toMatch(message);
    expect(code).toBe(2);
  };
  const named = ['--deployment', 'strict'];
  await refused(['promote', 'nine', ...named], /has no build `nine`. Known: one\./);
  await refused(['promote', 'one', '--ramp', '101', ...named], /must be a number from 0 to 100/);
  await refused(['promote', 'one'], /BELAYER_DEPLOYMENT/);
  await refused(['rollback', ...named], /no ramp to end and no build that was current before/);
  await refused(['list', '--deployment', 'nowhere'], /knows no deployment `nowhere`/);
  await refused(['move', '--to', 'one', ...named], /Name either a run or --from BUILD/);
  await refused(['move', 'nobody', '--to', 'one', ...named], /nobody/);
  // A task queue of the current build would have no worker left that takes its starts.
  await world.work(buildOf('strict', 'one'), {
    taskQueue: 'queue-strict-more',
    build: { deployment: 'strict', buildId: 'one' },
  });
  await stage.work('two');
  await refused(
    ['promote', 'two', ...named],
    /No worker of build `two` asks for work on task queue `queue-strict-more`/,
  );
  expect(await stage.states()).toEqual({ one: 'current', two: 'waiting' });
});
