/** Runs whose histories are kept: between them they take every branch of the loop. */
import { z } from 'zod';
import { promote } from '../../client/deployments/change-deployment.ts';
import type { Run } from '../../client/index.ts';
import {
  askHuman,
  defineAgent,
  defineApp,
  defineTool,
  NotDone,
  ToolError,
} from '../../definitions/index.ts';
import { fault, reply, type Script } from '../../testing/provider/index.ts';
import { eventually } from '../support/eventually.ts';
import type { RunStateView } from '../../contracts/messages.ts';
import type { World } from '../support/world.ts';

const read = defineTool({
  name: 'read',
  description: 'Reads.',
  effect: 'read',
  input: z.object({ id: z.string() }),
  run: ({ id }) => ({ id }),
});
const fails = defineTool({
  name: 'fails',
  description: 'Fails, and says why.',
  effect: 'read',
  retry: { attempts: 2, firstDelay: '10ms' },
  input: z.object({}),
  run: () => {
    throw new ToolError('broken', { retryable: true });
  },
});
const far = defineTool({
  name: 'far',
  description: 'A read on the queue.',
  effect: 'egress',
  input: z.object({}),
  run: () => 'far away',
});
const slow = defineTool({
  name: 'slow',
  description: 'Longer than a near call may take.',
  effect: 'read',
  input: z.object({}),
  run: () => new Promise((resolve) => setTimeout(() => resolve('slow'), 2_300)),
});
const linger = defineTool({
  name: 'linger',
  description: 'Ends when it is aborted.',
  effect: 'egress',
  timeout: '60 seconds',
  input: z.object({}),
  run: (_, { signal }) =>
    new Promise((_resolve, reject) => {
      signal.addEventListener('abort', () => reject(new Error('aborted')));
    }),
});
const pay = defineTool({
  name: 'pay',
  description: 'Pays.',
  effect: 'write',
  repeat: 'keyed',
  approval: { when: ({ amount }) => amount > 50, deadline: '2 seconds' },
  input: z.object({ amount: z.number() }),
  run: ({ amount }) => ({ paid: amount }),
});
const wire = defineTool({
  name: 'wire',
  description: 'Never knows.',
  effect: 'write',
  repeat: 'never',
  input: z.object({}),
  run: () => {
    throw new Error('connection reset');
  },
});
const decline = defineTool({
  name: 'decline',
  description: 'Did nothing.',
  effect: 'write',
  repeat: 'never',
  retry: { attempts: 2, firstDelay: '10ms' },
  input: z.object({}),
  run: () => {
    throw new NotDone('declined', { retryable: true });
  },
});
const writer = defineAgent({
  name: 'writer',
  instructions: 'Write.',
  output: z.object({ text: z.string() }),
});

const all = {
  instructions: 'Work.',
  tools: [read, fails, far, slow, linger, pay, wire, decline, writer.asTool()],
  fallbackModels: ['other-model'],
};
const worker = defineAgent({ name: 'worker', ...all });
const near = defineAgent({ name: 'near-worker', ...all, placement: { models: 'near' } });

const another = defineTool({
  name: 'another',
  description: 'Does it another way.',
  effect: 'write',
  repeat: 'safe',
  approval: { when: ({ amount }) => amount > 50, deadline: '2 seconds' },
  input: z.object({ amount: z.number() }),
  run: ({ amount }) => ({ paid: amount }),
});
const ill = defineTool({
  name: 'ill',
  description: 'Never there.',
  effect: 'write',
  repeat: 'never',
  retry: { attempts: 2, firstDelay: '10ms' },
  input: z.object({ cents: z.number() }),
  fallback: [{ tool: another, input: ({ cents }) => ({ amount: cents / 100 }) }],
  run: () => {
    throw new NotDone('away', { retryable: true });
  },
});
let tries = 0;
const must = defineTool({
  name: 'must',
  description: 'Fails at first.',
  effect: 'egress',
  critical: true,
  retry: { attempts: 2, firstDelay: '10ms' },
  input: z.object({}),
  run: () => {
    tries += 1;
    if (tries <= 2) throw new ToolError('away', { retryable: true });
    return 'there';
  },
});
const watched = defineTool({
  name: 'watched',
  description: 'Needs one of two people.',
  effect: 'write',
  repeat: 'keyed',
  approval: {
    when: 'always',
    deadline: '500ms',
    deciders: ['ann'],
    escalateTo: { deciders: ['boss'], deadline: '30 seconds' },
    recordedOnly: true,
  },
  input: z.object({}),
  run: () => 'done',
});
const asker = defineAgent({
  name: 'asker',
  instructions: 'Ask.',
  tools: [read, linger, pay, wire, ill, must, watched, askHuman()],
  escalate: ['budget', 'model', 'output', 'refusal'],
});
const talker = defineAgent({
  name: 'talker',
  instructions: 'Talk.',
  tools: [read],
  session: { idle: '1 second' },
});
const hasty = defineAgent({
  name: 'hasty-talker',
  instructions: 'Talk.',
  tools: [linger],
  session: { idle: '1 second', whileWorking: 'interrupt' },
});

const tiered = defineAgent({
  name: 'tiered',
  instructions: 'Work.',
  tools: [read],
  models: { small: 'test-model', large: 'other-model' },
  // The second step is routed; the others begin with the small model.
  route: ({ step, toolCalls }) =>
    step === 2 && toolCalls[0] === 'read' ? { model: 'large', because: 'it has read' } : undefined,
  cascade: true,
  check: (text) => (text === 'no idea' ? 'Say what it is.' : true),
});
const brief = defineAgent({
  name: 'brief',
  instructions: 'Work.',
  tools: [read],
  stopWhen: ({ results }) =>
    results.some(({ result }) => (result as { readonly id?: string }).id === 'it') && {
      output: 'found',
      because: 'it was read',
    },
});

export const app = defineApp({
  agents: [worker, near, writer, asker, talker, hasty, tiered, brief],
});

export interface Scenario {
  /** Default: the one that all others share. */
  readonly taskQueue?: string;
  readonly prepare?: (world: World) => Promise<void>;
  readonly name: string;
  readonly agent?:
    | 'worker'
    | 'near-worker'
    | 'writer'
    | 'asker'
    | 'talker'
    | 'hasty-talker'
    | 'tiered'
    | 'brief'
    | 'moving-talker';
  readonly script: Script;
  readonly limits?: { readonly steps?: number; readonly costUsd?: number };
  /** What a human or an operator does meanwhile. */
  readonly meanwhile?: (run: Run, world: World) => Promise<unknown>;
  /** Gives the run whose history is kept in its place. */
  readonly instead?: (run: Run, world: World) => Promise<Run>;
}

const request = (run: Run): Promise<string> =>
  eventually(async () => (await run.requests()).find((open) => open.state === 'open')?.position);

const asking = [reply.tools({ pay: { amount: 80 }, read: { id: 'a' } }), reply.text('done')];
const endless: Script = () => ({ text: 'never', thinkMs: 30_000 });

const inFlight = (run: Run, world: World, position: string): Promise<unknown> =>
  eventually(async () => {
    const rows = await world.database.query({
      text: `select from belayer.call c join belayer.run r on r.no = c.run_no
        where r.id = '${run.id}' and c.position = '${position}'`,
    });
    return rows.length > 0;
  });

const moving = defineApp({
  agents: [
    defineAgent({
      name: 'moving-talker',
      instructions: 'Talk.',
      tools: [read],
      // Long enough for another build to come meanwhile.
      session: { idle: '10 seconds' },
    }),
  ],
});
/** The agents of all scenarios. */
export const wholeApp = defineApp({ agents: [...app.agents, ...moving.agents] });

async function startBuild(world: World, buildId: string): Promise<void> {
  await world.work(moving, { taskQueue: 'builds', build: { deployment: 'moving', buildId } });
}

export const scenarios: readonly Scenario[] = [
  { name: 'answer', script: [reply.text('42')] },
  {
    name: 'parallel-tools',
    script: [
      reply.tools({ read: { id: 'a' }, far: {}, fails: {}, pay: { amount: 1 } }),
      reply.tools({ read: { id: 'b' }, decline: {} }),
      reply.text('done'),
    ],
  },
  {
    name: 'near-models',
    agent: 'near-worker',
    script: [reply.tools({ read: { id: 'a' }, pay: { amount: 1 } }), reply.text('done')],
  },
  { name: 'bad-calls', script: [reply.tools({ read: '{', nothing: {} }), reply.text('done')] },
  { name: 'moved-to-the-queue', script: [reply.tools({ slow: {} }), reply.text('done')] },
  {
    name: 'approved',
    script: asking,
    meanwhile: async (run) => run.approve(await request(run), { by: 'ann' }),
  },
  {
    name: 'denied',
    script: asking,
    meanwhile: async (run) => run.deny(await request(run), { by: 'ann', reason: 'no' }),
  },
  { name: 'expired', script: asking },
  {
    name: 'unknown-outcome-denied',
    script: [reply.tools({ wire: {} }), reply.text('done')],
    meanwhile: async (run) => run.deny(await request(run)),
  },
  {
    name: 'unknown-outcome-run-again',
    script: [reply.tools({ wire: {} }), reply.text('done')],
    meanwhile: async (run) => {
      const first = await request(run);
      await run.approve(first);
      const second = await eventually(async () =>
        (await run.requests()).find((open) => open.state === 'open' && open.position !== first),
      );
      await run.deny(second.position);
    },
  },
  {
    name: 'sub-agent',
    script: [
      reply.tools({ writer: { input: 'x' } }),
      reply.json({ text: 'y' }),
      reply.text('done'),
    ],
  },
  { name: 'repaired', agent: 'writer', script: [reply.text('no json'), reply.json({ text: 'y' })] },
  { name: 'never-fits', agent: 'writer', script: () => reply.text('no json') },
  {
    name: 'provider-faults',
    script: [fault.rateLimited({ retryAfterMs: 5 }), fault.cutStream(), reply.text('done')],
  },
  { name: 'rejected', script: [fault.badKey()] },
  {
    name: 'fallback-model',
    script: (asked) =>
      asked.model === 'other-model' ? reply.text('done') : fault.rateLimited({ retryAfterMs: 1 }),
  },
  { name: 'step-limit', script: () => reply.tools({ read: { id: 'a' } }), limits: { steps: 2 } },
  {
    name: 'cost-limit',
    script: () => reply.tools({ read: { id: 'a' } }),
    limits: { costUsd: 0.02 },
  },
  {
    name: 'halted-in-a-model-call',
    script: endless,
    meanwhile: async (run, world) => {
      await inFlight(run, world, '1');
      await run.halt('stop');
    },
  },
  {
    name: 'halted-in-a-tool-call',
    script: [reply.tools({ linger: {}, pay: { amount: 2 } })],
    meanwhile: async (run, world) => {
      await inFlight(run, world, '1.2');
      await run.halt('stop');
    },
  },
  {
    name: 'halted-while-a-human-is-awaited',
    script: asking,
    meanwhile: async (run) => {
      await request(run);
      await run.halt('stop');
    },
  },
  {
    name: 'halted-by-signal',
    script: endless,
    meanwhile: async (run, world) => {
      await inFlight(run, world, '1');
      await world.temporal.workflow.getHandle(run.id).signal('halt', { reason: 'raw', by: 'x' });
    },
  },
  {
    name: 'cancelled',
    script: endless,
    meanwhile: async (run, world) => {
      await inFlight(run, world, '1');
      await world.temporal.workflow.getHandle(run.id).cancel();
    },
  },
  {
    name: 'continued-as-new',
    script: (asked) => {
      const step = Math.floor(asked.messages.length / 2);
      return step > 30 ? reply.text('done') : reply.tools({ read: { id: `${step}` } });
    },
  },
  {
    name: 'paused-steered-and-resumed',
    agent: 'asker',
    script: asking,
    meanwhile: async (run) => {
      const position = await request(run);
      await run.pause('a look', { by: 'ann' });
      await run.steer('Be brief.', { by: 'ann' });
      await run.approve(position, { by: 'ann' });
      await run.resume({ by: 'ann', reason: 'fine' });
    },
  },
  {
    name: 'approved-with-an-edit',
    agent: 'asker',
    script: asking,
    meanwhile: async (run) => {
      const position = await request(run);
      await run.approve(position, { edit: { amount: 'no number' } }).catch(() => undefined);
      await run.approve(position, { by: 'ann', edit: { amount: 8 } });
    },
  },
  {
    name: 'unknown-outcome-answered',
    agent: 'asker',
    script: [reply.tools({ wire: {} }), reply.text('done')],
    meanwhile: async (run) => run.answer(await request(run), { reference: 'x' }, { by: 'ann' }),
  },
  {
    name: 'question-answered',
    agent: 'asker',
    script: [reply.tools({ ask_human: { question: 'Well?' } }), reply.text('done')],
    meanwhile: async (run) => run.answer(await request(run), 'Well.', { by: 'ann' }),
  },
  {
    name: 'escalated-to-the-level-above',
    agent: 'asker',
    script: [reply.tools({ watched: {} }), reply.text('done')],
    meanwhile: async (run) => {
      const above = await eventually(async () =>
        (await run.requests()).find((open) => open.state === 'open' && open.level === 1),
      );
      await run.approve(above.position, { by: 'boss' });
    },
  },
  {
    name: 'fallen-back',
    agent: 'asker',
    script: [reply.tools({ ill: { cents: 9_900 } }), reply.text('done')],
    meanwhile: async (run) => run.approve(await request(run)),
  },
  {
    name: 'critical-tried-again',
    agent: 'asker',
    script: [reply.tools({ must: {} }), reply.text('done')],
    meanwhile: async (run) => run.approve(await request(run)),
  },
  {
    name: 'budget-extended',
    agent: 'asker',
    script: (asked) =>
      asked.messages.length > 5 ? reply.text('done') : reply.tools({ read: { id: 'a' } }),
    limits: { steps: 1 },
    meanwhile: async (run) => {
      await request(run);
      await run.extendBudget({ steps: 5 }, { by: 'ann' });
    },
  },
  {
    name: 'model-given-up-by-a-human',
    agent: 'asker',
    script: [fault.badKey()],
    meanwhile: async (run) => run.deny(await request(run)),
  },
  {
    name: 'session-of-many-turns',
    agent: 'talker',
    script: (asked) =>
      asked.messages.at(-1)?.role === 'user' && asked.messages.length % 4 === 2
        ? reply.tools({ read: { id: 'a' } })
        : reply.text('said'),
    meanwhile: async (run, world) => {
      const { key } = await run.status();
      for (let turn = 2; turn <= 14; turn += 1) {
        const sent = await world.belayer.send('talker', {
          session: key ?? '',
          message: `message ${turn}`,
        });
        await sent.output();
      }
    },
  },
  {
    name: 'session-interrupted',
    agent: 'hasty-talker',
    script: [
      reply.tools({ linger: {} }),
      { ...reply.text('late'), thinkMs: 30_000 },
      reply.text('on'),
    ],
    meanwhile: async (run, world) => {
      const { key } = await run.status();
      for (const position of ['1.1', '2']) {
        await inFlight(run, world, position === '1.1' ? '1' : position);
        // A read has no row until it has ended.
        if (position === '1.1')
          await eventually(async () => {
            const state = await world.temporal.workflow
              .getHandle(run.id)
              .query<RunStateView>('state');
            return state.inFlight.includes('1.1');
          });
        await world.belayer.send('hasty-talker', {
          session: key ?? '',
          message: `stop ${position}`,
        });
      }
    },
  },
  {
    name: 'decided-and-ended-in-one-task',
    agent: 'near-worker',
    script: asking,
    meanwhile: async (run) => run.deny(await request(run), { by: 'ann' }),
  },
  {
    name: 'session-moves-to-another-build',
    agent: 'moving-talker',
    // Builds have a task queue to themselves: the first would take all runs of its queue over.
    taskQueue: 'builds',
    prepare: (world) => startBuild(world, 'one'),
    script: (asked) =>
      asked.messages.at(-1)?.role === 'user'
        ? reply.tools({ read: { id: 'a' } })
        : reply.text('said'),
    meanwhile: async (run, world) => {
      const client = await world.clientOn('builds');
      await (await client.run(run.id)).turn(1).output();
      await startBuild(world, 'two');
      await promote({ temporal: world.temporal, deployment: 'moving', by: 'recorder' }, 'two');
      const { key } = await run.status();
      for (let turn = 2; turn <= 4; turn += 1) {
        const message = `message ${turn}`;
        await (await client.send('moving-talker', { session: key ?? '', message })).output();
      }
    },
  },
  {
    name: 'forked-at-a-tool-call',
    agent: 'asker',
    script: [
      reply.tools({ read: { id: 'a' } }),
      reply.tools({ pay: { amount: 80 }, read: { id: 'b' } }),
      reply.text('denied'),
      reply.tools({ pay: { amount: 1 } }),
      reply.text('done'),
    ],
    meanwhile: async (run) => run.deny(await request(run), { by: 'ann' }),
    // The reply and what had ended beside the call are given; the rest is live.
    instead: (run) => run.fork({ at: '2.2', edit: { result: { id: 'other' } } }),
  },
  {
    name: 'routed-and-raised',
    agent: 'tiered',
    script: [
      reply.tools({ read: { id: 'a' } }),
      reply.tools({ read: { id: 'b' } }),
      // Step 3: the small model does not know.
      reply.text('no idea'),
      // The largest does not either, and is told so.
      reply.text('no idea'),
      reply.text('done'),
    ],
  },
  {
    name: 'stopped-with-its-results',
    agent: 'brief',
    script: [reply.tools({ read: { id: 'a' } }), reply.tools({ read: { id: 'it' } })],
  },
];
