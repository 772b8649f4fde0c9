/**
 * `npm run soak -- [--runs N] [--seed N]`: short runs of many customers against ceilings that fit about half of
 * them, with a provider that fails, workers that are killed, and sub-agents that call at once. What the provider
 * billed is held against every window: exit code 1 where a bill is over a ceiling, or the ledger under a bill.
 */
import { parseArgs } from 'node:util';
import { readBudgets } from '../../storage/budgets.ts';
import { billedProvider } from '../support/billed-provider.ts';
import { seeded } from '../support/seeded.ts';
import { startWorkerProcess, type WorkerProcess } from '../support/worker-process.ts';
import { createWorld } from '../support/world.ts';
import { inTurns } from './in-turns.ts';

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '2000' },
    seed: { type: 'string', default: '1' },
    ceiling: { type: 'string' },
  },
});
const runs = Number(values.runs);
const random = seeded(Number(values.seed));
const customers = Array.from({ length: 20 }, (_, index) => `customer-${index + 1}`);
/** About half of what the runs of one customer would spend. */
const ceilingMicroUsd = Number(values.ceiling ?? Math.round((runs / customers.length) * 500));
const workersAtOnce = 2;
const runsAtOnce = 60;
const killEveryMs = 12_000;

const world = await createWorld({ temporalInMemory: false });
const provider = billedProvider(random, { faults: 0.12, thinkMs: 60 });
world.provider.script((request) => provider.script(request));
const { budgets } = world.belayer;
const workers: WorkerProcess[] = [];
for (let count = 0; count < workersAtOnce; count += 1)
  workers.push(await startWorkerProcess(world, { app: 'budgets' }));

const costUsd = ceilingMicroUsd / 1_000_000;
await budgets.set({ customer: '*', per: 'day', costUsd });
for (const customer of customers.slice(10, 15))
  await budgets.set({ customer, per: 'day', costUsd, onExhaustion: 'wait', waitMax: '8 seconds' });
for (const customer of customers.slice(15))
  await budgets.set({ customer, per: 'day', costUsd, onExhaustion: 'degrade' });
await budgets.set({ agent: 'clerk', per: 'month', costUsd: costUsd * customers.length * 0.9 });
await budgets.set({ installation: true, per: 'day', tokens: 1_000_000_000 });

async function replaceWorker(): Promise<void> {
  await workers.shift()?.kill();
  workers.push(await startWorkerProcess(world, { app: 'budgets' }));
}
let kills = 0;
const killing = setInterval(() => {
  kills += 1;
  void replaceWorker();
}, killEveryMs);

const startedAt = performance.now();
const because = new Map<string, number>();
/** What was billed of a customer when a run of it was first refused, as a share of its ceiling. */
const firstStop = new Map<string, number>();
let ended = 0;
await inTurns(runs, runsAtOnce, async (index) => {
  const customer = customers[index % customers.length] ?? '';
  const agent = index % 5 === 0 ? 'porter' : 'clerk';
  const run = await world.belayer.start(agent, {
    input: `${customer}|${1 + (index % 3)}`,
    customer,
  });
  const outcome = await run.outcome();
  const how = 'because' in outcome ? outcome.because : outcome.kind;
  because.set(how, (because.get(how) ?? 0) + 1);
  if (how === 'budget-spent' && !firstStop.has(customer))
    firstStop.set(customer, (provider.billed.get(customer)?.microUsd ?? 0) / ceilingMicroUsd);
  ended += 1;
  if (ended % 500 === 0) process.stderr.write(`${ended} of ${runs}\n`);
});
clearInterval(killing);
const tookS = (performance.now() - startedAt) / 1_000;

const problems: string[] = [];
const of = (name: string) => provider.billed.get(name) ?? { microUsd: 0, tokens: 0, calls: 0 };
const total = provider.total();
const meter = world.provider.meter.byModel['test-model'];
if (total.tokens !== (meter?.inputTokens ?? 0) + (meter?.outputTokens ?? 0))
  problems.push('the bills of the customers are not what the provider metered');
let ledger = 0;
for (const { agent, customer, window, ceilingMicroUsd: usd, ceilingTokens } of await readBudgets(
  world.database,
  { limit: 1_000 },
)) {
  // prettier-ignore
  if (window === null) continue;
  const name = `${agent ?? 'every agent'}, ${window.customer ?? customer ?? 'all'}`;
  if (window.reservedMicroUsd !== 0 || window.reservedTokens !== 0)
    problems.push(`${name}: ${window.reservedMicroUsd} are still reserved`);
  if (usd !== null && window.spentMicroUsd > usd)
    problems.push(`${name}: ${window.spentMicroUsd} spent of ${usd}`);
  if (ceilingTokens !== null && window.spentTokens < total.tokens)
    problems.push(`${name}: ${total.tokens} tokens billed, ${window.spentTokens} in the ledger`);
  if (window.customer === null) continue;
  ledger += window.spentMicroUsd;
  const bill = of(window.customer);
  if (bill.microUsd > ceilingMicroUsd)
    problems.push(`${name}: ${bill.microUsd} billed of ${ceilingMicroUsd}`);
  if (bill.microUsd > window.spentMicroUsd)
    problems.push(`${name}: ${bill.microUsd} billed, ${window.spentMicroUsd} in the ledger`);
}
const shares = customers.map((customer) => of(customer).microUsd / ceilingMicroUsd);
const stops = [...firstStop.values()];
const middle = (numbers: readonly number[]): number =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0;
const percent = (share: number): string => `${(share * 100).toFixed(1)}%`;
console.log(`runs                       ${runs} in ${tookS.toFixed(0)} s, ${kills} workers killed
ends                       ${[...because].map(([how, times]) => `${how} ${times}`).join(', ')}
model calls billed         ${[...provider.billed.values()].reduce((sum, { calls }) => sum + calls, 0)}
ceiling of each customer   ${ceilingMicroUsd} micro-dollars, ${customers.length} customers
billed                     ${total.microUsd} micro-dollars
ledger                     ${ledger} micro-dollars, ${percent(ledger / total.microUsd - 1)} above what was billed
billed, of the ceiling     median ${percent(middle(shares))}, most ${percent(Math.max(...shares))}
... at the first refusal   median ${percent(middle(stops))}, least ${percent(Math.min(...stops))}
${problems.length === 0 ? 'Everything held.' : `Did not hold:\n${problems.join('\n')}`}`);
for (const worker of workers) await worker.kill();
await world.stop();
process.exit(problems.length === 0 ? 0 : 1);
