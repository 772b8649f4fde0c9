/** How much at once, and how fast: rules, who changed them, and what is held by them now (`0012-throttles.ts`). */
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import type { Position } from '../contracts/positions.ts';
import { admissionLimits } from './admission-refused.ts';
import type { Database } from './database.ts';

/** Null: no bound of that kind. */
export interface ThrottleAmounts {
  readonly runs: number | null;
  readonly modelCalls: number | null;
  readonly requestsPerMinute: number | null;
  readonly tokensPerMinute: number | null;
}

export interface NewThrottle extends ThrottleAmounts {
  /** `*`: each customer by itself; null: all together. */
  readonly customer: string | null;
  readonly by: string;
  readonly reason: string | null;
}

/** A rule, and what is under it now. Without a rule over all, a row with the installation's default stands for it. */
export interface ThrottleRow extends ThrottleAmounts {
  readonly customer: string | null;
  /** Null: nobody set it. */
  readonly setBy: string | null;
  readonly setAt: Date | null;
  readonly reason: string | null;
  readonly runsInFlight: number;
  readonly runsQueued: number;
  readonly modelCallsInFlight: number;
  /** Runs whose next model call waits for its turn. */
  readonly waiting: number;
}

export interface ThrottleChange {
  readonly at: Date;
  readonly action: 'set' | 'removed';
  readonly customer: string | null;
  readonly by: string;
  readonly reason: string | null;
  readonly before: ThrottleAmounts | null;
  readonly after: ThrottleAmounts | null;
}

/** A model of a provider that refused calls for their rate, and is asked less often until it goes well. */
export interface ProviderRate {
  /** Its base URL. */
  readonly provider: string;
  readonly model: string;
  readonly perMinute: number;
  /** What was asked of it when it refused. */
  readonly refusedPerMinute: number;
  readonly loweredAt: Date;
  readonly loweredTimes: number;
  /** Runs whose call waits for its turn there. */
  readonly waiting: number;
}

/** @throws InputRejected  There are `limits.throttleRulesMax` rules already. */
export async function setThrottle(database: Database, rule: NewThrottle): Promise<void> {
  const [there] = await database.query<{ full: boolean }>(
    {
      name: 'throttle_room',
      text: `select count(*) >= $1::int and not bool_or(customer is not distinct from $2::text) as full from belayer.throttle_rule`,
    },
    [limits.throttleRulesMax, rule.customer],
  );
  if (there?.full === true)
    throw new BelayerError(
      failureType.inputRejected,
      `There are ${limits.throttleRulesMax} throttles already, the most that an installation may have. Set one for each customer by itself (\`*\`), or remove some.`,
    );
  await database.query(
    { name: 'set_throttle', text: 'select belayer.set_throttle($1,$2,$3,$4,$5,$6,$7)' },
    [
      rule.customer,
      rule.runs,
      rule.modelCalls,
      rule.requestsPerMinute,
      rule.tokensPerMinute,
      rule.by,
      rule.reason,
    ],
  );
}

/** False where there is no such rule. */
export async function removeThrottle(
  database: Database,
  { customer, by, reason }: Pick<NewThrottle, 'customer' | 'by' | 'reason'>,
): Promise<boolean> {
  const [row] = await database.query<{ removed: boolean }>(
    { name: 'remove_throttle', text: 'select belayer.remove_throttle($1,$2,$3) as removed' },
    [customer, by, reason],
  );
  return row?.removed ?? false;
}

/** The installation first, then each customer by itself, then named ones. */
export function readThrottles(
  database: Database,
  { customer, limit }: { readonly customer?: string; readonly limit: number },
): Promise<readonly ThrottleRow[]> {
  return database.query<ThrottleRow>(
    {
      name: 'read_throttles',
      text: `with rule as (
          select t.* from belayer.throttle_rule t where $1::text is null or t.customer is null or t.customer in ($1, '*')
          union all
          select 0, null, null, null, null, null, null, null, null where not exists (select from belayer.throttle_rule t where t.customer is null)),
        covered as (
          select r.customer, r.place, count(*)::int as runs from belayer.run r where r.place in ('in-flight', 'queued') group by r.customer, r.place)
        select t.customer, case when t.customer is null then coalesce(t.runs, a.runs, $3) else t.runs end as runs, t.model_calls as "modelCalls",
          t.requests as "requestsPerMinute", t.tokens as "tokensPerMinute", t.set_by as "setBy", t.set_at as "setAt", t.reason,
          coalesce((select sum(c.runs) from covered c where c.place = 'in-flight' and ${covers}), 0)::int as "runsInFlight",
          coalesce((select sum(c.runs) from covered c where c.place = 'queued' and ${covers}), 0)::int as "runsQueued",
          (select count(*) from belayer.throttle_call k join belayer.throttle_bucket b on b.id = k.bucket_id where b.rule_id = t.id and not k.done)::int as "modelCallsInFlight",
          (select count(*) from belayer.throttle_wait w join belayer.throttle_bucket b on b.id = w.bucket_id where b.rule_id = t.id)::int as waiting
        from rule t cross join belayer.admission a
        order by t.customer is not null, t.customer is distinct from '*', t.customer limit $2`,
    },
    [customer ?? null, limit, admissionLimits.runs],
  );
}

/** A customer with a rule of its own is not under that of each. */
const covers = `(t.customer is null or c.customer = t.customer or (t.customer = '*' and c.customer <> ''
  and not exists (select from belayer.throttle_rule n where n.customer = c.customer)))`;

/** Newest first, at most `limits.throttleChangesShownMax`. */
export function readThrottleChanges(
  database: Database,
  { customer }: { readonly customer?: string },
): Promise<readonly ThrottleChange[]> {
  return database.query<ThrottleChange>(
    {
      name: 'read_throttle_changes',
      text: `select at, action, customer, by, reason, before, after from belayer.throttle_change
        where $1::text is null or customer = $1 order by id desc limit $2`,
    },
    [customer ?? null, limits.throttleChangesShownMax],
  );
}

export function readProviderRates(database: Database): Promise<readonly ProviderRate[]> {
  return database.query<ProviderRate>({
    name: 'read_provider_rates',
    text: `select p.provider, p.model, belayer.provider_rate_now(p) as "perMinute", p.base as "refusedPerMinute",
        p.lowered_at as "loweredAt", p.lowered_times as "loweredTimes",
        (select count(*) from belayer.provider_wait w where w.provider = p.provider and w.model = p.model)::int as waiting
      from belayer.provider_rate p order by p.provider, p.model`,
  });
}

/** Which models are slowed: what a worker keeps in memory. */
export function readSlowed(
  database: Database,
): Promise<readonly { readonly provider: string; readonly model: string }[]> {
  return database.query({
    name: 'read_slowed',
    text: 'select provider, model from belayer.provider_rate',
  });
}

/** A provider refused a call for its rate. */
export async function slowProvider(
  database: Database,
  refused: {
    readonly provider: string;
    readonly model: string;
    readonly worker: string;
    /** Calls a minute, as this worker sent them last. */
    readonly seenPerMinute: number;
    /** How long ago the refused call was sent. */
    readonly agoMs: number;
    readonly retryAfterMs: number;
  },
): Promise<void> {
  await database.query(
    { name: 'slow_provider', text: 'select belayer.slow_provider($1,$2,$3,$4,$5,$6,$7,$8)' },
    [
      refused.provider,
      refused.model,
      refused.worker,
      refused.seenPerMinute,
      Math.round(refused.agoMs),
      Math.round(refused.retryAfterMs),
      limits.providerRateAgeMsMax,
      limits.providerCallsPerMinuteMin,
    ],
  );
}

/** Milliseconds until the turn of a run's call, which is kept for it; undefined: the model is not slowed. */
export async function takeProviderTurn(
  database: Database,
  call: { readonly provider: string; readonly model: string; readonly run: string },
): Promise<number | undefined> {
  const [row] = await database.query<{ ms: number | null }>(
    { name: 'provider_turn', text: 'select belayer.provider_turn($1,$2,$3) as ms' },
    [call.provider, call.model, call.run],
  );
  return row?.ms ?? undefined;
}

/** How often a provider has refused a run's call for its rate. */
export async function countRefusals(
  database: Database,
  call: { readonly run: string; readonly position: Position },
): Promise<number> {
  const [row] = await database.query<{ refusals: number }>(
    {
      name: 'count_refusals',
      text: `select count(*)::int as refusals from belayer.attempt a join belayer.run r on r.no = a.run_no
        where r.id = $1 and a.position = $2 and a.kind = 'model' and a.code = $3`,
    },
    [call.run, call.position, failureType.modelRateLimited],
  );
  return row?.refusals ?? 0;
}
