/**
 * Budgets that many runs share: rules, their windows, and what becomes of reservations under them.
 *
 * 1. A rule is a ceiling over an agent, a customer, both or everything, for a period. A window is what it
 *    allows in one stretch of that period (UTC, aligned), a row of `belayer.budget`; for `customer = '*'` each
 *    customer has windows of its own. A rule per run has no window: it narrows the run's own row.
 * 2. A call remembers the windows that its reservation was made under, and is settled there, even when
 *    the next window has begun meanwhile.
 * 3. Locks: the stop flags' advisory lock, the run's pulse row, then windows: missing ones are made in the order
 *    of their rules, and after that all that are needed are locked in the order of their ids.
 * 4. A rule is set, raised and removed under the advisory lock that claims hold shared: every claim that
 *    commits afterwards has seen it.
 */
export const budgets = /* sql */ `
-- The clock of windows. One function, so that whoever moves time moves it here.
create function belayer.budget_now() returns timestamptz language sql volatile as $$ select clock_timestamp() $$;

create table belayer.budget_rule (
  id bigint generated always as identity primary key,
  -- null: every agent
  agent text,
  -- null: all together | *: each customer by itself
  customer text,
  -- run | hour | day | month
  period text not null,
  -- at least one is set
  ceiling_micro_usd bigint,
  ceiling_tokens bigint,
  -- stop | ask | wait | degrade
  on_exhaustion text not null,
  -- how long one call waits at most
  wait_ms bigint,
  -- per cent of a window, in order
  thresholds int[] not null,
  set_by text not null,
  set_at timestamptz not null default clock_timestamp(),
  reason text,
  unique nulls not distinct (agent, customer, period)
);

-- Every set, raise and removal: who, when, why.
create table belayer.budget_change (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  -- set | extended | removed
  action text not null,
  rule_id bigint not null,
  agent text,
  customer text,
  period text not null,
  by text not null,
  reason text,
  before jsonb,
  after jsonb
);

alter table belayer.budget
  alter column ceiling_micro_usd drop not null,
  alter column ceiling_tokens drop not null,
  -- of a window
  add column rule_id bigint,
  add column customer text,
  add column ends_at timestamptz,
  -- what people added to this window, or to this run under its rules, on top of the rule's ceiling
  add column raised_micro_usd bigint not null default 0,
  add column raised_tokens bigint not null default 0,
  -- the highest threshold that was told, in per cent
  add column told int not null default 0;
create index budget_window on belayer.budget (rule_id, starts_at) where rule_id is not null;

-- Windows under which the present reservation was made; null: only the run's own budget.
alter table belayer.call add column budgets bigint[];

-- Which of the agent's models it was and why, and what choices saved, in micro-dollars: {"cache"|"routing"|"short-circuit": n}.
-- What turned out to be in vain is below zero.
alter table belayer.attempt
  add column tier text,
  add column choice text,
  add column saved jsonb;

-- An escalation about one of them: approving it tries again. Null in all others, and in what is imported.
alter table belayer.request add column shared boolean;

-- Runs that wait for a window. wake_at: the rule has changed since, and the run is to be told.
create table belayer.budget_wait (
  run_no bigint primary key references belayer.run on delete cascade,
  rule_id bigint not null,
  since timestamptz not null default clock_timestamp(),
  wake_at timestamptz,
  told_at timestamptz
);
create index budget_wait_rule on belayer.budget_wait (rule_id);
create index budget_wait_due on belayer.budget_wait (wake_at) where wake_at is not null;

-- The rules that hold for a run. A rule for a named customer takes the place of the one for each customer.
create function belayer.rules_for(p_agent text, p_customer text) returns setof belayer.budget_rule
language sql stable as $$
  select b.* from belayer.budget_rule b
  where (b.agent is null or b.agent = p_agent)
    and (b.customer is null or b.customer = p_customer or (b.customer = '*' and p_customer <> ''
      and not exists (select from belayer.budget_rule n where n.customer = p_customer
        and n.agent is not distinct from b.agent and n.period = b.period)))
  order by b.id
$$;

-- The present windows that a call of this agent and customer falls into, made where they are missing. Planned once:
-- planning would cost more than the rest.
create function belayer.open_windows(p_agent text, p_customer text, out windows bigint[], out run_rules bigint[])
language plpgsql set plan_cache_mode = force_generic_plan as $$
declare b record; now_ timestamptz := belayer.budget_now();
begin
  for b in
    select r.*, w.starts_at, w.subject, g.id as window_id
    from belayer.rules_for(p_agent, p_customer) r
    cross join lateral (select date_trunc(nullif(r.period, 'run'), now_, 'UTC') as starts_at,
      r.id || case when r.customer = '*' then '/' || p_customer else '' end as subject) w
    left join belayer.budget g on g.scope = 'rule' and g.subject = w.subject and g.starts_at = w.starts_at
    order by r.id
  loop
    if b.period = 'run' then run_rules := run_rules || b.id; continue; end if;
    if b.window_id is null then
      insert into belayer.budget (scope, subject, starts_at, ends_at, rule_id, customer, ceiling_micro_usd, ceiling_tokens)
      values ('rule', b.subject, b.starts_at, (b.starts_at at time zone 'UTC' + ('1 ' || b.period)::interval) at time zone 'UTC', b.id,
        case when b.customer = '*' then p_customer else b.customer end, b.ceiling_micro_usd, b.ceiling_tokens)
      on conflict do nothing returning id into b.window_id;
      -- Another made it meanwhile, and has committed.
      if b.window_id is null then
        select g.id into b.window_id from belayer.budget g where g.scope = 'rule' and g.subject = b.subject and g.starts_at = b.starts_at;
      end if;
    end if;
    windows := windows || b.window_id;
  end loop;
end $$;

create function belayer.lock_windows(p_windows bigint[]) returns void
language plpgsql as $$
begin
  if p_windows is null then return; end if;
  perform from belayer.budget g where g.id = any(p_windows) order by g.id for update;
end $$;

-- Reserves in all windows, or in none where one of them has no room. What is judged is what is locked, however long
-- that took.
create function belayer.reserve_windows(p_windows bigint[], p_micro_usd bigint, p_tokens bigint) returns boolean
language plpgsql set plan_cache_mode = force_generic_plan as $$
declare fit boolean;
begin
  select bool_and(coalesce(w.spent_micro_usd + w.reserved_micro_usd + p_micro_usd <= b.ceiling_micro_usd + w.raised_micro_usd, true)
    and coalesce(w.spent_tokens + w.reserved_tokens + p_tokens <= b.ceiling_tokens + w.raised_tokens, true)) into fit
  from (select * from belayer.budget g where g.id = any(p_windows) order by g.id for update) w
  join belayer.budget_rule b on b.id = w.rule_id;
  if not fit then return false; end if;
  update belayer.budget g set reserved_micro_usd = g.reserved_micro_usd + p_micro_usd, reserved_tokens = g.reserved_tokens + p_tokens
  where g.id = any(p_windows);
  return true;
end $$;

-- What a run under its rules cannot have, or null: the strictest of the budgets that refuse, then the least left.
create function belayer.refusing_budget(p_run_no bigint, p_windows bigint[], p_run_rules bigint[], p_micro_usd bigint, p_tokens bigint)
returns jsonb
language plpgsql as $$
declare found_ jsonb;
begin
  with under as (
    select b.*, g.customer as whose, g.id as window_id, g.starts_at, g.ends_at, b.ceiling_micro_usd + g.raised_micro_usd as usd,
      b.ceiling_tokens + g.raised_tokens as tokens, g.spent_micro_usd, g.reserved_micro_usd, g.spent_tokens, g.reserved_tokens
    from belayer.budget g join belayer.budget_rule b on b.id = g.rule_id where g.id = any(p_windows)
    union all
    select b.*, b.customer, null, null, null, b.ceiling_micro_usd + g.raised_micro_usd,
      b.ceiling_tokens + g.raised_tokens, g.spent_micro_usd, g.reserved_micro_usd, g.spent_tokens, g.reserved_tokens
    from belayer.budget g cross join belayer.budget_rule b
    where p_run_rules is not null and b.id = any(p_run_rules) and g.scope = 'run' and g.subject = p_run_no::text and g.starts_at is null)
  select jsonb_build_object('rule', u.id, 'agent', u.agent, 'customer', u.whose, 'per', u.period, 'policy', u.on_exhaustion,
      'microUsdLeft', u.usd - u.spent_micro_usd - u.reserved_micro_usd, 'tokensLeft', u.tokens - u.spent_tokens - u.reserved_tokens,
      'ceilingMicroUsd', u.usd, 'ceilingTokens', u.tokens, 'spentMicroUsd', u.spent_micro_usd, 'spentTokens', u.spent_tokens,
      'reservedMicroUsd', u.reserved_micro_usd, 'reservedTokens', u.reserved_tokens,
      'endsAt', to_char(u.ends_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
      'resetMs', ceil(extract(epoch from u.ends_at - belayer.budget_now()) * 1000)::bigint, 'waitMs', u.wait_ms,
      -- It would fit if what others have reserved came back.
      'crowded', u.spent_micro_usd + p_micro_usd <= coalesce(u.usd, p_micro_usd + u.spent_micro_usd)
        and u.spent_tokens + p_tokens <= coalesce(u.tokens, p_tokens + u.spent_tokens),
      -- No window of this rule could hold it.
      'hopeless', coalesce(p_micro_usd > u.ceiling_micro_usd, false) or coalesce(p_tokens > u.ceiling_tokens, false))
  into found_ from under u
  where u.spent_micro_usd + u.reserved_micro_usd + p_micro_usd > u.usd or u.spent_tokens + u.reserved_tokens + p_tokens > u.tokens
  order by array_position(array['stop', 'ask', 'wait', 'degrade'], u.on_exhaustion),
    least(u.usd - u.spent_micro_usd - u.reserved_micro_usd, u.tokens - u.spent_tokens - u.reserved_tokens), u.id
  limit 1;
  return found_;
end $$;

-- Ends a reservation in the run's own budget and in the windows that it was made under, and tells each threshold
-- that a window crosses, once, as an event of the run whose call crossed it. The pulse row is held.
create function belayer.settle(p_run_no bigint, p_position text, p_windows bigint[],
  p_reserved_micro_usd bigint, p_reserved_tokens bigint, p_micro_usd bigint, p_tokens bigint) returns void
language plpgsql as $$
begin
  update belayer.budget set reserved_micro_usd = reserved_micro_usd - p_reserved_micro_usd, spent_micro_usd = spent_micro_usd + p_micro_usd,
    reserved_tokens = reserved_tokens - p_reserved_tokens, spent_tokens = spent_tokens + p_tokens
  where scope = 'run' and subject = p_run_no::text and starts_at is null;
  if p_windows is not null then
    perform belayer.settle_windows(p_run_no, p_position, p_windows, p_reserved_micro_usd, p_reserved_tokens, p_micro_usd, p_tokens);
  end if;
end $$;

create function belayer.settle_windows(p_run_no bigint, p_position text, p_windows bigint[],
  p_reserved_micro_usd bigint, p_reserved_tokens bigint, p_micro_usd bigint, p_tokens bigint) returns void
language plpgsql set plan_cache_mode = force_generic_plan as $$
declare w record; t int;
begin
  if cardinality(p_windows) > 1 then perform belayer.lock_windows(p_windows); end if;
  update belayer.budget g set reserved_micro_usd = reserved_micro_usd - p_reserved_micro_usd, spent_micro_usd = spent_micro_usd + p_micro_usd,
    reserved_tokens = reserved_tokens - p_reserved_tokens, spent_tokens = spent_tokens + p_tokens
  where g.id = any(p_windows);
  for w in
    select * from (
      select g.id, g.told, g.customer as whose, g.ends_at, g.spent_micro_usd, g.spent_tokens, b.id as rule_id, b.agent, b.period,
        b.thresholds, b.on_exhaustion, b.ceiling_micro_usd + g.raised_micro_usd as usd, b.ceiling_tokens + g.raised_tokens as tokens,
        -- Rounded down: a threshold is told when it is reached.
        least(1000000, greatest(100 * g.spent_micro_usd / nullif(b.ceiling_micro_usd + g.raised_micro_usd, 0),
          100 * g.spent_tokens / nullif(b.ceiling_tokens + g.raised_tokens, 0)))::int as share
      from belayer.budget g join belayer.budget_rule b on b.id = g.rule_id where g.id = any(p_windows)) u
    where exists (select from unnest(u.thresholds) x where x > u.told and x <= u.share) order by u.id
  loop
    for t in select x from unnest(w.thresholds) x where x > w.told and x <= w.share order by x loop
      perform belayer.add_event(p_run_no, 'budget.threshold', p_position, jsonb_strip_nulls(jsonb_build_object(
        'threshold', t, 'share', w.share, 'rule', w.rule_id, 'agent', w.agent, 'customer', w.whose, 'per', w.period,
        'spentMicroUsd', w.spent_micro_usd, 'ceilingMicroUsd', w.usd, 'spentTokens', w.spent_tokens, 'ceilingTokens', w.tokens,
        'policy', w.on_exhaustion, 'endsAt', to_char(w.ends_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'))));
    end loop;
    update belayer.budget set told = (select max(x) from unnest(w.thresholds) x where x <= w.share) where id = w.id;
  end loop;
end $$;

-- What a tool reports to have cost is known only afterwards: it is spent in the windows of that moment, whatever
-- statement journals the attempt.
create function belayer.spend_tool_cost() returns trigger
language plpgsql as $$
declare o record;
begin
  if not exists (select from belayer.budget_rule) then return null; end if;
  select w.windows into o from belayer.run r, belayer.open_windows(r.agent, r.customer) w where r.no = new.run_no;
  if o.windows is not null then
    perform belayer.settle_windows(new.run_no, new.position, o.windows, 0, 0, new.cost_micro_usd, 0);
  end if;
  return null;
end $$;
create trigger tool_cost after insert on belayer.attempt
for each row when (new.kind = 'tool' and new.cost_micro_usd > 0) execute function belayer.spend_tool_cost();

create function belayer.rule_json(b belayer.budget_rule) returns jsonb language sql immutable as $$
  select jsonb_build_object('ceilingMicroUsd', b.ceiling_micro_usd, 'ceilingTokens', b.ceiling_tokens, 'onExhaustion', b.on_exhaustion,
    'waitMs', b.wait_ms, 'thresholds', to_jsonb(b.thresholds))
$$;

create function belayer.set_budget(p_agent text, p_customer text, p_period text, p_micro_usd bigint, p_tokens bigint,
  p_policy text, p_wait_ms bigint, p_thresholds int[], p_by text, p_reason text) returns bigint
language plpgsql as $$
declare old belayer.budget_rule; new_ belayer.budget_rule;
begin
  perform pg_advisory_xact_lock(6004510);
  select * into old from belayer.budget_rule b
  where b.agent is not distinct from p_agent and b.customer is not distinct from p_customer and b.period = p_period;
  insert into belayer.budget_rule as b (agent, customer, period, ceiling_micro_usd, ceiling_tokens, on_exhaustion, wait_ms, thresholds, set_by, reason)
  values (p_agent, p_customer, p_period, p_micro_usd, p_tokens, p_policy, p_wait_ms, p_thresholds, p_by, p_reason)
  on conflict (agent, customer, period) do update set ceiling_micro_usd = p_micro_usd, ceiling_tokens = p_tokens, on_exhaustion = p_policy,
    wait_ms = p_wait_ms, thresholds = p_thresholds, set_by = p_by, set_at = clock_timestamp(), reason = p_reason
  returning * into new_;
  perform belayer.lock_windows((select array_agg(g.id) from belayer.budget g where g.rule_id = new_.id and g.ends_at > belayer.budget_now()));
  update belayer.budget g set ceiling_micro_usd = p_micro_usd, ceiling_tokens = p_tokens
  where g.rule_id = new_.id and g.ends_at > belayer.budget_now();
  insert into belayer.budget_change (action, rule_id, agent, customer, period, by, reason, before, after)
  values ('set', new_.id, p_agent, p_customer, p_period, p_by, p_reason,
    case when old.id is not null then belayer.rule_json(old) end, belayer.rule_json(new_));
  -- A new rule may take the place of another under which somebody waits.
  update belayer.budget_wait set wake_at = clock_timestamp() where rule_id = new_.id or old.id is null;
  return new_.id;
end $$;

-- False where there is no such rule. Its windows stay, for what is reserved under them and for the record.
create function belayer.remove_budget(p_agent text, p_customer text, p_period text, p_by text, p_reason text) returns boolean
language plpgsql as $$
declare old belayer.budget_rule;
begin
  perform pg_advisory_xact_lock(6004510);
  delete from belayer.budget_rule b
  where b.agent is not distinct from p_agent and b.customer is not distinct from p_customer and b.period = p_period returning * into old;
  if not found then return false; end if;
  insert into belayer.budget_change (action, rule_id, agent, customer, period, by, reason, before)
  values ('removed', old.id, p_agent, p_customer, p_period, p_by, p_reason, belayer.rule_json(old));
  update belayer.budget_wait set wake_at = clock_timestamp() where rule_id = old.id;
  return true;
end $$;

-- Raises the present window of a rule, or what one run has under a rule per run: extended | no-rule | no-ceiling |
-- too-much. p_run with p_number: by who answers a run's request, once for each number.
create function belayer.extend_rule(p_rule bigint, p_customer text, p_run text, p_number int, p_micro_usd bigint, p_tokens bigint,
  p_max bigint, p_by text, p_reason text, p_body jsonb) returns text
language plpgsql as $$
declare b belayer.budget_rule; v_no bigint; g belayer.budget; v_start timestamptz; v_subject text; v_ids bigint[];
begin
  perform pg_advisory_xact_lock(6004510);
  if p_number is not null then
    select no into v_no from belayer.run where id = p_run;
    perform from belayer.pulse where run_no = v_no for update;
    if exists (select from belayer.event where run_no = v_no and kind = 'run.extended' and (body->>'number')::int = p_number) then
      return 'extended';
    end if;
  end if;
  select * into b from belayer.budget_rule where id = p_rule;
  if not found then return 'no-rule'; end if;
  if (p_micro_usd > 0 and b.ceiling_micro_usd is null) or (p_tokens > 0 and b.ceiling_tokens is null) then return 'no-ceiling'; end if;
  if b.period = 'run' then
    select * into g from belayer.budget where scope = 'run' and subject = v_no::text and starts_at is null for update;
  else
    v_start := date_trunc(b.period, belayer.budget_now(), 'UTC');
    v_subject := b.id || case when b.customer = '*' then '/' || p_customer else '' end;
    insert into belayer.budget (scope, subject, starts_at, ends_at, rule_id, customer, ceiling_micro_usd, ceiling_tokens)
    values ('rule', v_subject, v_start, (v_start at time zone 'UTC' + ('1 ' || b.period)::interval) at time zone 'UTC', b.id,
      case when b.customer = '*' then p_customer else b.customer end, b.ceiling_micro_usd, b.ceiling_tokens)
    on conflict do nothing;
    select * into g from belayer.budget where scope = 'rule' and subject = v_subject and starts_at = v_start for update;
  end if;
  if g.id is null then return 'no-rule'; end if;
  if coalesce(b.ceiling_micro_usd, 0) + g.raised_micro_usd + p_micro_usd > p_max or coalesce(b.ceiling_tokens, 0) + g.raised_tokens + p_tokens > p_max then
    return 'too-much';
  end if;
  update belayer.budget set raised_micro_usd = raised_micro_usd + p_micro_usd, raised_tokens = raised_tokens + p_tokens where id = g.id;
  insert into belayer.budget_change (action, rule_id, agent, customer, period, by, reason, before, after)
  values ('extended', b.id, b.agent, case when b.customer = '*' then p_customer else b.customer end, b.period, p_by, p_reason,
    jsonb_build_object('raisedMicroUsd', g.raised_micro_usd, 'raisedTokens', g.raised_tokens),
    jsonb_strip_nulls(jsonb_build_object('raisedMicroUsd', g.raised_micro_usd + p_micro_usd, 'raisedTokens', g.raised_tokens + p_tokens,
      'startsAt', to_char(g.starts_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), 'run', p_run)));
  update belayer.budget_wait set wake_at = clock_timestamp() where rule_id = b.id;
  if p_number is not null then perform belayer.add_event(v_no, 'run.extended', null, p_body || jsonb_build_object('number', p_number)); end if;
  return 'extended';
end $$;

-- Waiting runs that are to be told that their budget has changed; who takes one and does not tell it loses it again.
create function belayer.take_budget_wakes(p_lease_ms int, p_limit int) returns table (no bigint, run text)
language sql as $$
  with due as (
    select w.run_no from belayer.budget_wait w where w.wake_at is not null
      and (w.told_at is null or w.told_at < clock_timestamp() - p_lease_ms * interval '1 ms')
    order by w.wake_at limit p_limit for update skip locked),
  taken as (
    update belayer.budget_wait w set told_at = clock_timestamp() from due where w.run_no = due.run_no returning w.run_no)
  select r.no, r.id from taken t join belayer.run r on r.no = t.run_no
$$;

-- They were told, or have ended. One that waits again since is another row's worth: its wake_at is null.
create function belayer.close_budget_wakes(p_runs bigint[]) returns void
language sql as $$
  delete from belayer.budget_wait w where w.run_no = any(p_runs) and w.wake_at is not null;
$$;

insert into belayer.stuck_round (name) values ('unsettled');

-- Runs with a reservation whose attempt is dead: its send deadline and all the time in which it could still close
-- are over. One round for the installation, p_rows open runs at a time.
create function belayer.take_unsettled(p_margin_ms bigint, p_rows int, p_every_ms int, out more boolean, out runs bigint[])
language plpgsql as $$
declare t record; v_last bigint;
begin
  more := false;
  select * into t from belayer.stuck_round where name = 'unsettled' for update skip locked;
  if not found or (t.cursor = 0 and t.begun_at > clock_timestamp() - p_every_ms * interval '1 ms') then return; end if;
  with batch as materialized (
    select r.no from belayer.run r where r.ended_at is null and r.no > t.cursor order by r.no limit p_rows)
  select case when (select count(*) from batch) = p_rows then (select max(no) from batch) else 0 end,
    (select array_agg(distinct b.no) from batch b
     join belayer.budget g on g.scope = 'run' and g.subject = b.no::text and g.starts_at is null and g.reserved_tokens > 0
     join belayer.call k on k.run_no = b.no and k.state = 'claimed' and k.kind = 'model'
       and k.send_deadline < clock_timestamp() - p_margin_ms * interval '1 ms')
  into v_last, runs;
  update belayer.stuck_round set cursor = v_last,
    begun_at = case when t.cursor = 0 then clock_timestamp() else t.begun_at end
  where name = 'unsettled';
  more := v_last <> 0;
end $$;

-- Settles them in full, and says so. What closes after this is late, and changes nothing.
create function belayer.reconcile_run(p_run_no bigint, p_margin_ms bigint) returns int
language plpgsql as $$
declare c belayer.call; settled int := 0;
begin
  perform from belayer.pulse where run_no = p_run_no for update;
  perform belayer.lock_windows((select array_agg(w) from belayer.call k, unnest(k.budgets) w
    where k.run_no = p_run_no and k.state = 'claimed' and k.kind = 'model'));
  for c in select * from belayer.call k where k.run_no = p_run_no and k.state = 'claimed' and k.kind = 'model'
    and k.send_deadline < clock_timestamp() - p_margin_ms * interval '1 ms' order by k.position
  loop
    perform belayer.give_up(c, 'lost');
    perform belayer.add_event(p_run_no, 'budget.reconciled', c.position, jsonb_build_object('attempt', c.attempt,
      'costMicroUsd', c.reserved_micro_usd, 'tokens', c.reserved_tokens, 'worker', c.worker));
    settled := settled + 1;
  end loop;
  return settled;
end $$;
`;
