/** What must hold of effects: the service's books against what the engine says of them. */
import { callOf } from './human.ts';
import { check, type Check } from './check.ts';
import { isAsked, isWrite, toolKinds, type ToolName } from './chaos-tools.ts';
import type { Told } from './drive-runs.ts';
import type { CallEvidence, Evidence } from './evidence.ts';
import type { Arrival, Book } from './payment-service.ts';

/** Codes by which a model is told that nothing happened. */
const saysNotDone = new Set(['not_done', 'declined', 'denied', 'halted']);

interface ToldCall extends Told {
  readonly run: string;
  readonly moved: number;
}

export interface EffectsJudged {
  readonly checks: readonly Check[];
  /** Doubled by a worker that was frozen between its claim and its send: the window of `docs/failures.md`. */
  readonly inTheWindow: readonly string[];
}

export function judgeEffects(evidence: Evidence): EffectsJudged {
  const { books } = evidence.stage.service;
  const told = toldCalls(evidence).filter(({ tool }) => isWrite(tool as ToolName));
  const kindOf = (book: Book): string => toolKinds[book.arrivals[0]?.tool ?? 'lookup'];
  const of = (...kinds: readonly string[]): readonly (readonly [string, Book])[] =>
    [...books].filter(([, book]) => kinds.includes(kindOf(book)));
  const inTheWindow: string[] = [];
  const requested = new Set(
    evidence.requests
      .filter(({ kind }) => kind === 'unknown')
      .map(({ run, position }) => `${run}/${callOf(position)}`),
  );
  const story = (reference: string, book: Book): string =>
    `${reference} moved ${book.moved} times: ${book.arrivals.map((one) => `attempt ${one.attempt} by ${one.worker} at ${one.atMs} ${one.conduct} acted ${one.acted}`).join('; ')}`;
  const checks = [
    check('a keyed or safe effect happens at most once', of('keyed', 'safe'), ([reference, book]) =>
      book.moved > 1 ? story(reference, book) : undefined,
    ),
    check(
      'an effect that is never repeated happens at most once',
      of('never', 'never-verified'),
      ([reference, book]) => {
        if (book.moved <= 1) return undefined;
        if (book.arrivals.some((arrival) => wasFrozen(evidence, arrival)))
          return void inTheWindow.push(story(reference, book));
        return story(reference, book);
      },
    ),
    check(
      'an effect that the model was told of as done happened exactly once',
      told.filter(({ status }) => status === 'ok'),
      (call) =>
        call.moved === 1 ||
        (call.moved > 1 &&
          inTheWindow.some((one) => one.startsWith(`${call.run}/${call.position} `)))
          ? undefined
          : `${call.run}/${call.position} ${call.tool} was told as done and moved ${call.moved} times`,
    ),
    check(
      'an effect that the model was told of as not done did not happen',
      told.filter(({ status }) => saysNotDone.has(status)),
      (call) =>
        call.moved === 0
          ? undefined
          : `${call.run}/${call.position} ${call.tool} was told as ${call.status} and moved ${call.moved} times`,
    ),
    check(
      'an effect that awaited approval and did not get it did not happen',
      [...books].filter(([, book]) => isAsked(book.arrivals[0]?.tool ?? 'lookup')),
      ([reference, book]) => {
        const run = book.arrivals[0]?.run ?? '';
        const position = `${book.arrivals[0]?.position}/approval`;
        return evidence.requests.some(
          (request) =>
            request.run === run && request.position === position && request.state === 'approved',
        )
          ? undefined
          : story(reference, book);
      },
    ),
    check(
      'an effect of unknown outcome is asked about, and never dropped in silence',
      unknownCalls(evidence, told),
      (reference) =>
        requested.has(reference) ? undefined : `${reference} is unknown, and nobody was asked`,
    ),
    check(
      'a finished run leaves no effect behind whose claim is open',
      evidence.calls.filter(
        (call) => call.state === 'claimed' && call.kind === 'tool' && hasEnded(evidence, call),
      ),
      (call) => `${call.run}/${call.position} ${call.name} is claimed, and its run has ended`,
    ),
  ];
  return { checks, inTheWindow };
}

const hasEnded = (evidence: Evidence, call: CallEvidence): boolean =>
  evidence.runs.some((run) => run.id === call.run && run.ended);

/** By the engine's own state, and by what the model was told. */
function unknownCalls(evidence: Evidence, told: readonly ToldCall[]): ReadonlySet<string> {
  return new Set([
    ...evidence.calls
      .filter((call) => call.kind === 'tool' && call.state === 'unknown')
      .map(({ run, position }) => `${run}/${position}`),
    // Without a verification, an attempt that nobody heard of is for a human and for nobody else.
    ...evidence.attempts
      .filter(
        ({ name, outcome }) => name === 'letter' && ['unknown', 'lost', 'late'].includes(outcome),
      )
      .map(({ run, position }) => `${run}/${position}`),
    ...told
      .filter(({ status }) => status === 'outcome_unknown')
      .map(({ run, position }) => `${run}/${position}`),
  ]);
}

function toldCalls({ carried, stage }: Evidence): readonly ToldCall[] {
  const runs = new Map([...carried.orders].map(([run, order]) => [order, run]));
  return [...carried.driver.told].flatMap(([order, all]) => {
    const run = runs.get(order);
    if (run === undefined) return [];
    return all.map((one) => ({
      ...one,
      run,
      moved: stage.service.books.get(`${run}/${one.position}`)?.moved ?? 0,
    }));
  });
}

/** Whether the worker was frozen between this attempt's claim and its arrival at the service. */
function wasFrozen(evidence: Evidence, arrival: Arrival): boolean {
  const claim = evidence.claims.find(
    ({ run, position, attempt }) =>
      run === arrival.run && position === arrival.position && attempt === arrival.attempt,
  );
  return (
    claim !== undefined &&
    evidence.stage.pool.freezes.some(
      ({ pid, fromMs, untilMs }) =>
        // A claim whose answer waits for its worker commits while that worker is frozen.
        pid === arrival.worker && untilMs > claim.committedMs && fromMs < arrival.atMs,
    )
  );
}
