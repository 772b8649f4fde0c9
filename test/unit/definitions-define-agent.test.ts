import { expect, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import {
  defineAgent,
  defineApp,
  defineTool,
  type App,
  type AgentName,
  type InputOf,
  type OutputOf,
} from '../../definitions/index.ts';
import { asApp, childInputOf, freezeAgent, toMicroUsd } from '../../definitions/internal.ts';

const order = defineTool({
  name: 'order',
  description: 'Look an order up.',
  effect: 'read',
  input: z.object({ id: z.string() }),
  run: ({ id }) => id,
});
const support = defineAgent({
  name: 'support',
  instructions: (input) => `Help ${input.email}.`,
  input: z.object({ email: z.string(), urgent: z.boolean().default(false) }),
  output: z.object({ reply: z.string(), tags: z.array(z.string()).default([]) }),
  tools: [order],
});
const research = defineAgent({ name: 'research', instructions: 'Research.' });

test('inputs and outputs are known by the name of the agent', () => {
  const app = defineApp({ agents: [support, research] });
  type A = typeof app;
  expectTypeOf<AgentName<A>>().toEqualTypeOf<'support' | 'research'>();
  expectTypeOf<InputOf<A, 'support'>>().toEqualTypeOf<{
    email: string;
    urgent?: boolean | undefined;
  }>();
  expectTypeOf<OutputOf<A, 'support'>>().toEqualTypeOf<{ reply: string; tags: string[] }>();
  expectTypeOf<InputOf<A, 'research'>>().toEqualTypeOf<string>();
  expectTypeOf<OutputOf<A, 'research'>>().toEqualTypeOf<string>();
  // @ts-expect-error there is no such agent
  expectTypeOf<InputOf<A, 'other'>>();
  expect(app.agents.map(({ name }) => name)).toEqual(['support', 'research']);
});

test('one agent stands for an application, and an unknown application takes any name', () => {
  expectTypeOf<AgentName<typeof support>>().toEqualTypeOf<'support'>();
  expectTypeOf<InputOf<typeof research, 'research'>>().toEqualTypeOf<string>();
  expectTypeOf<OutputOf<typeof support, 'support'>>().toHaveProperty('reply');
  expectTypeOf<AgentName<App>>().toEqualTypeOf<string>();
  expectTypeOf<InputOf<App, 'anything'>>().toBeUnknown();
  expectTypeOf<OutputOf<App, 'anything'>>().toBeUnknown();
});

test('definitions inside definitions are typed as they are outside', () => {
  const app = defineApp({
    agents: [
      defineAgent({
        name: 'inline',
        instructions: (input) => input.toUpperCase(),
        tools: [
          defineTool({
            name: 'echo',
            description: 'Echo.',
            effect: 'none',
            input: z.object({ text: z.string() }),
            run: ({ text }) => text.toUpperCase(),
          }),
          defineTool({
            name: 'big',
            description: 'Count.',
            effect: 'none',
            input: z.object({}),
            run: () => 1,
          }),
        ],
      }),
    ],
  });
  expectTypeOf<AgentName<typeof app>>().toEqualTypeOf<'inline'>();
  expectTypeOf<InputOf<typeof app, 'inline'>>().toEqualTypeOf<string>();
  expect(app.agents[0]?.tools).toHaveLength(2);
});

test('instructions take the parsed input', () => {
  expectTypeOf(defineAgent<'a', typeof support.input>)
    .parameter(0)
    .toHaveProperty('instructions')
    .extract<(input: never) => unknown>()
    .parameter(0)
    .toEqualTypeOf<{ email: string; urgent: boolean }>();
  defineAgent({ name: 'a', instructions: (input) => input.toUpperCase() });
});

test('all mistakes of an agent are told at once', () => {
  const mistaken = {
    name: 'Support Agent',
    model: '',
    fallbackModels: ['a', 'b', 'b', 'c', 'd'],
    input: z.object({ when: z.date() }),
    output: z.object({ at: z.string().transform(Number) }),
    tools: [order, order, support, {}],
    limits: { costUsd: 0, step: 3, steps: 5_000, contextTokens: 100, toolResultTokens: 200 },
    temperature: 3,
    modelTimeout: '10 seconds',
    placement: { models: 'near' },
    instruction: 'x',
  };
  // @ts-expect-error everything is wrong on purpose
  expect(() => defineAgent(mistaken)).toThrowErrorMatchingInlineSnapshot(`
    [DefinitionRejected: Agent \`Support Agent\`: 17 mistakes
      - \`instruction\` is not known; did you mean \`instructions\`?
      - \`name\`: "Support Agent" must be 1 to 64 of a-z, 0-9, - and _, a letter or digit first
      - \`instructions\` is missing
      - two tools are named \`order\`
      - \`tools[2]\` is the agent \`support\`; write support.asTool()
      - \`tools[3]\` was not made by defineTool: {}
      - \`input.when\`: Date cannot be represented in JSON Schema; take a string, as z.iso.datetime(), and parse it where you use it
      - \`output.at\`: Transforms cannot be represented in JSON Schema; the value is kept as JSON: use a schema without a transform
      - \`temperature\`: 3 must be a number from 0 to 2
      - \`model\`: "" is not the name of a model
      - \`model\` and \`fallbackModels\` name 6 models; \`modelsPerAgentMax\` is 5
      - \`fallbackModels\`: "b" is named twice
      - \`modelTimeout\` of near models is at most \`nearModelCallMsMax\` (8 seconds); this one is 10 seconds
      - \`limits.step\` is not known; did you mean \`steps\`?
      - \`limits.toolResultTokens\` (200) is more than \`contextTokens\` (100), so such a result would fit no prompt
      - \`limits.costUsd\`: 0 must be a number of US dollars from 0.000001 to 1000000
      - \`limits.steps\`: 5000 must be a whole number from 1 to 1000 (\`runStepsMax\`)]
  `);
});

test('costs are micro-dollars, rounded down', () => {
  expect([0.25, 8.2, 999_999.99, 0.0000019, 1e-7].map(toMicroUsd)).toEqual([
    250_000, 8_200_000, 999_999_990_000, 1, 0,
  ]);
});

test('an agent in a list of tools is met with what to write', () => {
  // @ts-expect-error an agent is no tool
  expect(() => defineAgent({ name: 'a', instructions: 'b', tools: [support] })).toThrow(
    '`tools[0]` is the agent `support`; write support.asTool()',
  );
});

test('an agent as a tool takes the input of the agent, and its runs are child runs', () => {
  const tool = support.asTool();
  expectTypeOf(tool.input).toEqualTypeOf(support.input);
  expect(tool.input).toBe(support.input);
  expect(childInputOf(tool, { email: 'a@b' })).toEqual({ email: 'a@b' });
  const lead = defineAgent({ name: 'lead', instructions: 'Lead.', tools: [tool] });
  const frozen = freezeAgent(lead, { modelDefault: 'm', buildId: 'b' });
  expect(frozen.tools[0]?.policy).toMatchObject({ agent: 'support', placement: 'queue' });
  expect(frozen.functions).toEqual([]);
});

test('an agent that takes text becomes a tool with one field', () => {
  const tool = research.asTool({ name: 'look_up', description: 'Finds out.' });
  expectTypeOf<z.output<typeof tool.input>>().toEqualTypeOf<{ input: string }>();
  expect(tool.name).toBe('look_up');
  expect(tool.data.inputSchema).toMatchObject({ required: ['input'] });
  expect(childInputOf(tool, { input: 'Why?' })).toBe('Why?');
  const list = defineAgent({ name: 'list', instructions: 'x', input: z.array(z.string()) });
  expect(childInputOf(list.asTool(), { input: ['a'] })).toEqual(['a']);
});

test('an agent as a tool may take arguments of its own that give its input', () => {
  const tool = support.asTool({ input: z.object({ email: z.string().default('none') }) });
  expect(childInputOf(tool, {})).toEqual({ email: 'none' });
  // @ts-expect-error the agent needs an email
  support.asTool({ input: z.object({ other: z.string() }) });
  // @ts-expect-error unknown keys are refused
  expect(() => research.asTool({ title: 'x' })).toThrow('`title` is not known');
});

test('an application includes the agents that its agents use, each once', () => {
  const tool = research.asTool();
  const one = defineAgent({ name: 'one', instructions: 'x', tools: [tool] });
  const two = defineAgent({ name: 'two', instructions: 'x', tools: [tool, one.asTool()] });
  const app = defineApp({ agents: [two] });
  expect(app.agents.map(({ name }) => name)).toEqual(['two', 'research', 'one']);
  expect(app.listed).toEqual([two]);
});

test('two agents with one name are a mistake, wherever they come from', () => {
  const other = defineAgent({ name: 'research', instructions: 'Other.' });
  const lead = defineAgent({ name: 'lead', instructions: 'x', tools: [other.asTool()] });
  expect(() => defineApp({ agents: [research, lead] })).toThrow('two agents are named `research`');
  expect(() => defineApp({ agents: [lead, lead] })).toThrow('agent `lead` is listed twice');
  expect(() => defineApp({ agents: [] })).toThrow('at least one agent');
  // @ts-expect-error agents is the key
  expect(() => defineApp({ agent: [lead] })).toThrow('did you mean `agents`?');
});

test('a name that every object has would be found where nothing was defined', () => {
  expect(() => defineAgent({ name: 'constructor', instructions: 'x' })).toThrow(
    '`name`: "constructor" is a name that every JavaScript object has',
  );
  expect(() => research.asTool({ name: '__proto__' })).toThrow('every JavaScript object has');
});

test('agents inside agents have a depth', () => {
  let agent = defineAgent({ name: 'd0', instructions: 'x' }) as ReturnType<
    typeof asApp
  >['agents'][0];
  const wrap = (level: number) =>
    defineAgent({
      name: `d${level}`,
      instructions: 'x',
      tools: [(agent as typeof research).asTool()],
    });
  for (let level = 1; level <= 5; level += 1) agent = wrap(level);
  expect(() => wrap(6)).toThrow('agents inside agents: 6 deep; `childDepthMax` is 5');
});

test('an application is an app, an agent, or a module with one as its default export', () => {
  const app = defineApp({ agents: [support] });
  expect(asApp(app)).toBe(app);
  expect(asApp({ default: app })).toBe(app);
  expect(asApp({ default: { default: app } })).toBe(app);
  expect(asApp({ default: research, other: 1 }).agents).toEqual([research]);
});

test.each([
  [undefined, 'undefined was found'],
  [{ support }, 'add `export default support`'],
  [{ default: order }, 'the tool `order` was found'],
  [[support], 'a list was found'],
  [{ default: { name: 'x' } }, 'an object with name was found'],
  [{}, 'an empty module was found'],
])('what is no application is named: case %#', (value, found) => {
  expect(() => asApp(value)).toThrow(found);
});

test('definitions of another copy of the package are known by their brand', () => {
  const copy = { ...research, [Symbol.for('belayer.agent')]: 1 };
  expect(asApp(copy).agents).toEqual([copy]);
});
