/** What must hold of runs, prompts and money. */
import { check, type Check } from './check.ts';
import { isWrite } from './chaos-tools.ts';
import type { Evidence } from './evidence.ts';

export function judgeRuns(evidence: Evidence): readonly Check[] {
  const { runs, carried, claims } = evidence;
  const ended = runs.filter((run) => run.ended);
  const runOf = new Map([...carried.orders].map(([run, order]) => [order, run]));
  const claimed = countBy(claims, ({ run, position }) => `${run}/${position}`);
  const prompts = countBy(
    carried.driver.prompts,
    ({ order, step }) => `${runOf.get(order)}/${step}`,
  );
  const hashes = new Map<string, Set<string>>();
  for (const { order, step, hash } of carried.driver.prompts) {
    const at = `${runOf.get(order)}/${step}`;
    hashes.set(at, (hashes.get(at) ?? new Set()).add(hash));
  }
  return [
    check('every run ends or waits for a human', runs, ({ id }) =>
      carried.stuck.includes(id)
        ? `${id} (order ${carried.orders.get(id)}) neither ended nor waits`
        : undefined,
    ),
    check('no run fails for what the platform can mend', ended, ({ id, outcome }) =>
      outcome?.kind === 'failed'
        ? `${id} failed: ${outcome.failure.type}: ${outcome.failure.message}`
        : undefined,
    ),
    check(
      'a run that is done gives its own output',
      ended.filter(({ outcome }) => outcome?.kind === 'done'),
      ({ id, output }) =>
        output === JSON.stringify(`Order ${carried.orders.get(id)} is settled.`)
          ? undefined
          : `${id} gave ${output}`,
    ),
    check('a run stops only because it was halted', ended, ({ id, outcome }) =>
      outcome?.kind === 'stopped' && (outcome.because !== 'halted' || !evidence.haltedAt.has(id))
        ? `${id} stopped: ${outcome.because}, ${outcome.detail}`
        : undefined,
    ),
    check('Temporal and PostgreSQL agree which runs have ended', runs, ({ id, ended: isEnded }) =>
      isEnded === evidence.openWorkflows.has(id)
        ? `${id} has ${isEnded ? '' : 'not '}ended, and its workflow is ${isEnded ? 'open' : 'closed'}`
        : undefined,
    ),
    check('no request of a run that has ended is open', evidence.requests, (request) =>
      request.state === 'open' && ended.some(({ id }) => id === request.run)
        ? `${request.run} ${request.position} is open`
        : undefined,
    ),
    check(
      'nothing is reserved for a run that has ended',
      ended,
      ({ id, reserved, reservedTokens }) =>
        reserved === 0 && reservedTokens === 0
          ? undefined
          : `${id} holds ${reserved} micro-dollars and ${reservedTokens} tokens`,
    ),
    check(
      'what a run spent is what its journal adds up to, under its ceiling',
      ended,
      ({ id, spent, journalled, ceiling }) =>
        spent === journalled && spent <= ceiling
          ? undefined
          : `${id} spent ${spent}, journalled ${journalled}, ceiling ${ceiling}`,
    ),
    check('a prompt is sent at most once for each claim of its call', prompts, ([at, sent]) =>
      sent <= (claimed.get(at) ?? 0)
        ? undefined
        : `${at} was sent ${sent} times for ${claimed.get(at) ?? 0} claims`,
    ),
    check(
      'an effect is sent at most once for each claim of its call',
      writes(evidence),
      ([at, sent]) =>
        sent <= (claimed.get(at) ?? 0)
          ? undefined
          : `${at} was sent ${sent} times for ${claimed.get(at) ?? 0} claims`,
    ),
    check('a prompt that is sent again is the same, byte for byte', hashes, ([at, different]) =>
      different.size === 1 ? undefined : `${at} was sent as ${different.size} different prompts`,
    ),
  ];
}

/** Where nothing but tools fails, retries and keys are to make every run succeed. */
export const judgeNoFailure = ({ runs, carried, schedule }: Evidence): Check =>
  check('every run is done, with each of its tool calls told as done', runs, ({ id, outcome }) => {
    const order = carried.orders.get(id) ?? '';
    const told = carried.driver.told.get(order) ?? [];
    const calls = schedule(order).steps.flat().length;
    return outcome?.kind === 'done' &&
      told.length === calls &&
      told.every(({ status }) => status === 'ok')
      ? undefined
      : `${id} (order ${order}) came to ${outcome?.kind}, ${told.map(({ position, status }) => `${position} ${status}`).join(', ')}`;
  });

const writes = ({ stage }: Evidence): ReadonlyMap<string, number> =>
  countBy(
    [...stage.service.books.values()]
      .flatMap((book) => book.arrivals)
      .filter(({ tool }) => isWrite(tool)),
    ({ run, position }) => `${run}/${position}`,
  );

function countBy<Item>(
  items: Iterable<Item>,
  keyOf: (item: Item) => string,
): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const item of items) counts.set(keyOf(item), (counts.get(keyOf(item)) ?? 0) + 1);
  return counts;
}
