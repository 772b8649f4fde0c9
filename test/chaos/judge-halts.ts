/**
 * What must hold of halts. A halt is accepted when its flag commits; a call starts when its claim
 * commits. A read has no claim: the worker's copy of the flags stops it, and that copy may be
 * `limits.stopFlagsAgeMsMax` old.
 */
import { limits } from '../../contracts/limits.ts';
import { check, type Check } from './check.ts';
import { isWrite } from './chaos-tools.ts';
import type { Evidence } from './evidence.ts';

export interface HaltsJudged {
  readonly checks: readonly Check[];
  readonly accepted: number;
  /** Reads that arrived at the service after the halt, within the time that the copy may be old. */
  readonly readsSoonAfter: number;
  /** How long calls lived that were in flight at the halt, in milliseconds, shortest first. */
  readonly lives: { readonly models: readonly number[]; readonly tools: readonly number[] };
}

export function judgeHalts(evidence: Evidence): HaltsJudged {
  const { haltedAt, claims, attempts } = evidence;
  const orders = evidence.carried.orders;
  const runs = new Map([...orders].map(([run, order]) => [order, run]));
  const claimedBefore = (run: string, position: string): boolean =>
    claims.some(
      (claim) =>
        claim.run === run &&
        claim.position === position &&
        claim.committedMs <= (haltedAt.get(run) ?? Infinity),
    );
  const late = (run: string, atMs: number): boolean => atMs > (haltedAt.get(run) ?? Infinity);

  const arrivals = [...evidence.stage.service.books.values()].flatMap((book) => book.arrivals);
  const reads = arrivals.filter(({ tool, run, atMs }) => !isWrite(tool) && late(run, atMs));
  const isThawed = (worker: number, run: string): boolean =>
    evidence.stage.pool.freezes.some(
      ({ pid, untilMs }) => pid === worker && untilMs > (haltedAt.get(run) ?? Infinity),
    );
  const lateReads = reads.filter(
    ({ run, atMs, worker }) =>
      atMs > (haltedAt.get(run) ?? 0) + limits.stopFlagsAgeMsMax && !isThawed(worker, run),
  );
  const inFlight = (kind: string): readonly number[] =>
    attempts
      .filter(
        (one) =>
          one.kind === kind &&
          one.outcome !== 'lost' &&
          one.startedMs <= (haltedAt.get(one.run) ?? -1) &&
          late(one.run, one.endedMs),
      )
      .map((one) => one.endedMs - (haltedAt.get(one.run) ?? 0))
      .toSorted((left, right) => left - right);

  return {
    accepted: haltedAt.size,
    readsSoonAfter: reads.length - lateReads.length,
    lives: { models: inFlight('model'), tools: inFlight('tool') },
    checks: [
      check(
        'no call of a halted run is claimed after its halt was accepted',
        claims.filter(({ run }) => haltedAt.has(run)),
        (claim) =>
          late(claim.run, claim.committedMs)
            ? `${claim.run}/${claim.position} attempt ${claim.attempt} was claimed ${claim.committedMs - (haltedAt.get(claim.run) ?? 0)} ms after the halt`
            : undefined,
      ),
      check(
        'no prompt of a halted run arrives but of a call that was claimed before',
        evidence.carried.driver.prompts.flatMap((prompt) => {
          const run = runs.get(prompt.order);
          return run !== undefined && late(run, prompt.atMs) ? [{ ...prompt, run }] : [];
        }),
        ({ run, step, atMs }) =>
          claimedBefore(run, String(step))
            ? undefined
            : `${run}/${step} arrived at ${atMs} without a claim before the halt`,
      ),
      check(
        'no effect of a halted run arrives but one that was claimed before',
        arrivals.filter(({ tool, run, atMs }) => isWrite(tool) && late(run, atMs)),
        ({ run, position, atMs }) =>
          claimedBefore(run, position)
            ? undefined
            : `${run}/${position} arrived at ${atMs} without a claim before the halt`,
      ),
      check(
        `no read of a halted run arrives more than ${limits.stopFlagsAgeMsMax} ms after its halt`,
        reads,
        (read) =>
          lateReads.includes(read)
            ? `${read.run}/${read.position} ${read.tool} arrived ${Math.round(read.atMs - (haltedAt.get(read.run) ?? 0))} ms after the halt`
            : undefined,
      ),
      check(
        'a run whose halt was accepted ends as halted, unless its end was reached already',
        evidence.runs.filter(({ id }) => haltedAt.has(id)),
        (run) =>
          run.outcome?.kind === 'stopped' || run.outcome?.kind === 'done'
            ? undefined
            : `${run.id} came to ${JSON.stringify(run.outcome)}`,
      ),
      check(
        'no stop flag of a run outlives it',
        evidence.flags,
        ({ subject }) => `the flag of ${subject} is still set`,
      ),
    ],
  };
}
