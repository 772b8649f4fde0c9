/**
 * Throttles of model calls: the second part of `0012-admission.ts`.
 *
 * 1. A rule's bucket is a row: of a customer, or of all. Who claims a call locks its buckets in the order of their ids,
 *    behind the run's pulse row and before any budget. Who ends a call locks none: it marks its own row of
 *    `throttle_call`, and the next claim takes that into account.
 * 2. Rates are spread (GCRA): a call that comes too early is given a ticket for its turn, which is charged already, so it
 *    comes back once; for tokens only where its turn is near. Calls in flight have no tickets: who finds none free looks again, later the more of them wait.
 * 3. In any 60 seconds no more than a rule allows is admitted: a part at once, and the rest evenly. A single call whose
 *    worst case is over that part waits until nothing is owed, and goes alone. Who comes late to its turn, up to a
 *    minute, still has it: where workers are that late, it would else lose one turn after another.
 * 4. A claim counts until its call is settled, by whoever settles it: a dead worker's claims come back with its money.
 */
export const throttles = /* sql */ `
-- The clock of rates. One function, so that whoever moves time moves it here.
create function belayer.throttle_now() returns timestamptz language sql volatile as $$ select clock_timestamp() $$;

create table belayer.throttle_bucket (
  id bigint generated always as identity primary key,
  rule_id bigint not null,
  -- empty: of all
  customer text not null,
  -- when the calls so far are paid for
  requests_until timestamptz not null default '-infinity',
  tokens_until timestamptz not null default '-infinity',
  unique (rule_id, customer)
) with (fillfactor = 50);

create table belayer.throttle_call (
  run_no bigint not null references belayer.run on delete cascade,
  position text not null,
  bucket_id bigint not null,
  -- it has ended, and this many of its tokens were not needed
  done boolean not null default false,
  refund bigint not null default 0,
  primary key (run_no, position, bucket_id)
);
create index throttle_call_bucket on belayer.throttle_call (bucket_id);

-- Runs whose next call waits. due: its turn; null: for a call in flight to end.
create table belayer.throttle_wait (
  run_no bigint primary key references belayer.run on delete cascade,
  buckets bigint[] not null,
  -- the one that refused
  bucket_id bigint not null,
  due timestamptz
);
create index throttle_wait_bucket on belayer.throttle_wait (bucket_id);

-- Its present claim is counted in throttle_call.
alter table belayer.call add column throttled boolean;

-- The buckets that a call of this customer falls into, made where they are missing, and locked.
create function belayer.lock_throttles(p_customer text) returns bigint[]
language plpgsql as $$
declare t record; ids bigint[];
begin
  for t in
    select x.id, case when x.customer is null then '' else p_customer end as whose from belayer.throttle_rule x
    where (x.model_calls is not null or x.requests is not null or x.tokens is not null)
      and (x.customer is null or x.customer = p_customer or (x.customer = '*' and p_customer <> ''
        and not exists (select from belayer.throttle_rule n where n.customer = p_customer)))
    order by x.id
  loop
    if not exists (select from belayer.throttle_bucket b where b.rule_id = t.id and b.customer = t.whose) then
      insert into belayer.throttle_bucket (rule_id, customer) values (t.id, t.whose) on conflict do nothing;
    end if;
    ids := ids || (select b.id from belayer.throttle_bucket b where b.rule_id = t.id and b.customer = t.whose);
  end loop;
  perform from belayer.throttle_bucket b where b.id = any(ids) order by b.id for update;
  return ids;
end $$;

-- Seconds that one request, or one token, pays for; and how many may come at once.
create function belayer.throttle_pace(p_per_minute bigint, p_at_once bigint) returns float8 language sql immutable as $$
  select 60.0 / (p_per_minute - p_at_once + 1)
$$;

-- Null: the call may be claimed, and is charged. Else what it waits for, and how long.
create function belayer.take_throttles(p_run_no bigint, p_buckets bigint[], p_tokens bigint) returns jsonb
language plpgsql as $$
declare now_ timestamptz := belayer.throttle_now(); b record; w belayer.throttle_wait; due_ timestamptz := '-infinity'; at_ timestamptz;
  because_ jsonb; waiting_ int; back bigint; pace float8; at_once bigint;
begin
  select * into w from belayer.throttle_wait x where x.run_no = p_run_no;
  -- Calls that have ended meanwhile.
  for b in select c.id, t.tokens, c.tokens_until from belayer.throttle_bucket c join belayer.throttle_rule t on t.id = c.rule_id where c.id = any(p_buckets) order by c.id loop
    with gone as (delete from belayer.throttle_call x where x.bucket_id = b.id and x.done returning x.refund)
    select sum(gone.refund) into back from gone;
    if back > 0 and b.tokens is not null then
      update belayer.throttle_bucket c set tokens_until = c.tokens_until - back * belayer.throttle_pace(b.tokens, greatest(1, b.tokens / 4)) * interval '1 second'
      where c.id = b.id;
    end if;
  end loop;

  for b in select c.id, c.customer as whose, t.customer, t.id as rule, t.model_calls from belayer.throttle_bucket c join belayer.throttle_rule t on t.id = c.rule_id
    where c.id = any(p_buckets) and t.model_calls is not null order by c.id
  loop
    if (select count(*) from belayer.throttle_call x where x.bucket_id = b.id) >= b.model_calls then
      select count(*) into waiting_ from belayer.throttle_wait x where x.bucket_id = b.id and x.due is null and x.run_no <> p_run_no;
      -- A turn that was paid for is not lost meanwhile.
      insert into belayer.throttle_wait as x (run_no, buckets, bucket_id, due) values (p_run_no, p_buckets, b.id, null)
      on conflict (run_no) do update set bucket_id = b.id, due = case when x.due is not null and x.due <= now_ then now_ else x.due end;
      return jsonb_build_object('rule', b.rule, 'customer', b.customer, 'whose', b.whose, 'what', 'model-calls', 'max', b.model_calls, 'waiting', waiting_);
    end if;
  end loop;

  if w.due is not null and w.buckets = p_buckets and now_ <= w.due + interval '60 seconds' then
    if w.due > now_ + interval '10 ms' then
      select jsonb_build_object('rule', t.id, 'customer', t.customer, 'whose', c.customer, 'what', 'rate', 'max', coalesce(t.requests, t.tokens)) into because_
      from belayer.throttle_bucket c join belayer.throttle_rule t on t.id = c.rule_id where c.id = w.bucket_id;
      return because_ || jsonb_build_object('turnMs', ceil(extract(epoch from w.due - now_) * 1000)::bigint);
    end if;
    delete from belayer.throttle_wait x where x.run_no = p_run_no;
    return null;
  end if;

  for b in select c.*, t.customer as of_, t.requests, t.tokens from belayer.throttle_bucket c join belayer.throttle_rule t on t.id = c.rule_id
    where c.id = any(p_buckets) order by c.id
  loop
    if b.requests is not null then
      at_once := 1 + b.requests / 10;
      at_ := greatest(b.requests_until, now_) - (at_once - 1) * belayer.throttle_pace(b.requests, at_once) * interval '1 second';
      if at_ > due_ then
        due_ := at_;
        because_ := jsonb_build_object('bucket', b.id, 'rule', b.rule_id, 'customer', b.of_, 'whose', b.customer, 'what', 'requests', 'max', b.requests);
      end if;
    end if;
    if b.tokens is not null then
      at_once := greatest(1, b.tokens / 4);
      at_ := greatest(b.tokens_until, now_) - greatest(0, at_once - p_tokens) * belayer.throttle_pace(b.tokens, at_once) * interval '1 second';
      if at_ > due_ then
        due_ := at_;
        because_ := jsonb_build_object('bucket', b.id, 'rule', b.rule_id, 'customer', b.of_, 'whose', b.customer, 'what', 'tokens', 'max', b.tokens);
      end if;
    end if;
  end loop;
  -- A day's backlog (limits.throttleWaitMsMax): it is not even charged.
  if due_ > now_ + interval '24 hours' then
    return because_ || jsonb_build_object('turnMs', ceil(extract(epoch from due_ - now_) * 1000)::bigint, 'hopeless', true);
  end if;
  -- Most of what calls hold comes back when they end: turns far away would be given by what none of them uses. So who
  -- waits that long looks again half way, by what those who wait beside it would hold.
  if because_->>'what' = 'tokens' and due_ > now_ + interval '10 seconds' then
    select count(*) into waiting_ from belayer.throttle_wait x where x.bucket_id = (because_->>'bucket')::bigint and x.due is null and x.run_no <> p_run_no;
    insert into belayer.throttle_wait as x (run_no, buckets, bucket_id, due) values (p_run_no, p_buckets, (because_->>'bucket')::bigint, null)
    on conflict (run_no) do update set buckets = p_buckets, bucket_id = excluded.bucket_id, due = null;
    pace := extract(epoch from due_ - now_) + waiting_ * p_tokens * 60.0 / (because_->>'max')::bigint;
    return because_ || jsonb_build_object('turnMs', (1000 * least(30, greatest(5, pace / 2)) * (0.75 + random() / 2))::bigint);
  end if;
  update belayer.throttle_bucket c set
    requests_until = case when t.requests is null then c.requests_until
      else greatest(c.requests_until, now_) + belayer.throttle_pace(t.requests, 1 + t.requests / 10) * interval '1 second' end,
    tokens_until = case when t.tokens is null then c.tokens_until
      else greatest(c.tokens_until, now_) + p_tokens * belayer.throttle_pace(t.tokens, greatest(1, t.tokens / 4)) * interval '1 second' end
  from belayer.throttle_rule t where t.id = c.rule_id and c.id = any(p_buckets) and (t.requests is not null or t.tokens is not null);
  if due_ <= now_ then
    delete from belayer.throttle_wait x where x.run_no = p_run_no;
    return null;
  end if;
  insert into belayer.throttle_wait as x (run_no, buckets, bucket_id, due) values (p_run_no, p_buckets, (because_->>'bucket')::bigint, due_)
  on conflict (run_no) do update set buckets = p_buckets, bucket_id = excluded.bucket_id, due = due_;
  return because_ || jsonb_build_object('turnMs', ceil(extract(epoch from due_ - now_) * 1000)::bigint);
end $$;

-- The call is claimed: it is in flight.
create function belayer.hold_throttles(p_run_no bigint, p_position text, p_buckets bigint[]) returns void
language plpgsql as $$
begin
  insert into belayer.throttle_call (run_no, position, bucket_id) select p_run_no, p_position, b from unnest(p_buckets) b
  on conflict (run_no, position, bucket_id) do update set done = false, refund = 0;
  update belayer.call k set throttled = true where k.run_no = p_run_no and k.position = p_position;
end $$;

-- Whoever settles the call ends it here. What was not needed of its worst case comes back.
create function belayer.release_throttles() returns trigger
language plpgsql as $$
declare used bigint;
begin
  select coalesce(a.input_tokens + a.output_tokens, case when a.cost_micro_usd = 0 then 0 end) into used
  from belayer.attempt a where a.run_no = old.run_no and a.position = old.position and a.number = old.attempt;
  update belayer.throttle_call x set done = true, refund = greatest(0, old.reserved_tokens - coalesce(used, old.reserved_tokens))
  where x.run_no = old.run_no and x.position = old.position and not x.done;
  return null;
end $$;
create trigger call_released after update of state on belayer.call
for each row when (old.throttled and old.state = 'claimed' and new.state <> 'claimed') execute function belayer.release_throttles();

-- Whoever waits under the rule, or may now fall under it, looks again: workers tell it, as of a budget that was changed.
create function belayer.throttle_changed(p_rule bigint, p_customer text) returns void
language plpgsql as $$
begin
  with freed as (
    delete from belayer.throttle_wait w using belayer.run r
    where r.no = w.run_no and (r.customer = p_customer
      or exists (select from belayer.throttle_bucket b where b.id = any(w.buckets) and b.rule_id = p_rule))
    returning w.run_no)
  insert into belayer.budget_wait as w (run_no, rule_id, wake_at) select freed.run_no, 0, clock_timestamp() from freed
  on conflict (run_no) do update set wake_at = clock_timestamp(), told_at = null;
  update belayer.throttle_bucket set requests_until = '-infinity', tokens_until = '-infinity' where rule_id = p_rule;
  if not exists (select from belayer.throttle_rule where id = p_rule) then
    delete from belayer.throttle_call c using belayer.throttle_bucket b where b.id = c.bucket_id and b.rule_id = p_rule;
    delete from belayer.throttle_bucket where rule_id = p_rule;
  end if;
  perform pg_notify('belayer_admission', '');
end $$;

select belayer.with_line_changed('belayer.open_model_call', 'refused jsonb; fit boolean;', 'refused jsonb; fit boolean; v_buckets bigint[];');
select belayer.with_line_changed('belayer.open_model_call', '  if c.state = ''claimed'' then
    -- Together',
'  -- What costs nothing asks no provider.
  if (p_micro_usd > 0 or p_tokens > 0) and exists (select from belayer.throttle_rule) then v_buckets := belayer.lock_throttles(r.customer); end if;
  if c.state = ''claimed'' then
    -- Together');
select belayer.with_line_changed('belayer.open_model_call', '  -- Before the run''s own row changes, which is the row that they narrow.',
'  if v_buckets is not null then
    refused := belayer.take_throttles(r.no, v_buckets, p_tokens);
    if refused is not null then
      -- Told as a budget that says wait, which is what workers from before know.
      verdict := ''budget'';
      answer := jsonb_build_object(''agent'', null, ''per'', ''hour'', ''policy'', ''wait'', ''crowded'', false, ''hopeless'', false,
        ''microUsdLeft'', null, ''tokensLeft'', 0, ''ceilingTokens'', 0, ''reservedTokens'', 0, ''endsAt'', null,
        ''resetMs'', coalesce((refused->>''turnMs'')::bigint, 2000)) || refused;
      update belayer.pulse p set state = ''throttled'' where p.run_no = r.no;
      return;
    end if;
  end if;
  -- Before the run''s own row changes, which is the row that they narrow.');
select belayer.with_line_changed('belayer.open_model_call', '  verdict := ''claimed'';
end', '  if v_buckets is not null then perform belayer.hold_throttles(r.no, p_position, v_buckets); end if;
  verdict := ''claimed'';
end');
select belayer.with_line_changed('belayer.close_run', '  delete from belayer.budget_wait w where w.run_no = r.no;',
'  delete from belayer.budget_wait w where w.run_no = r.no;
  delete from belayer.throttle_wait w where w.run_no = r.no;
  delete from belayer.provider_wait w where w.run_no = r.no;');
drop function belayer.with_line_changed(regproc, text, text);

-- What a provider asked for: one row for each of its models that is slowed, and none while nothing is.
create table belayer.provider_rate (
  provider text not null,
  model text not null,
  -- since lowered_at; it rises from there
  per_minute float8 not null,
  -- what was asked of it when it refused
  base float8 not null,
  lowered_at timestamptz not null,
  lowered_times int not null default 1,
  not_before timestamptz not null,
  next_at timestamptz not null,
  -- worker -> calls a minute, of those that were refused together
  seen jsonb not null,
  primary key (provider, model)
) with (fillfactor = 50);

create table belayer.provider_wait (
  run_no bigint primary key references belayer.run on delete cascade,
  provider text not null,
  model text not null,
  booked_at timestamptz not null,
  due timestamptz not null
);

-- From half of what was refused to all of it in 30 seconds, and in another 60 to twice of it.
create function belayer.provider_rate_now(p belayer.provider_rate) returns float8 language sql volatile as $$
  select p.per_minute + p.base * greatest(0, extract(epoch from belayer.throttle_now() - p.lowered_at))::float8 / 60
$$;

-- A provider refused a call for its rate, which was sent p_ago_ms ago by a worker that sends p_seen calls a minute.
create function belayer.slow_provider(p_provider text, p_model text, p_worker text, p_seen float8, p_ago_ms bigint, p_retry_after_ms bigint, p_learnt_ms bigint, p_seen_min float8)
returns void
language plpgsql as $$
declare now_ timestamptz := belayer.throttle_now(); p belayer.provider_rate; v_before timestamptz := now_ + p_retry_after_ms * interval '1 ms'; v_base float8; v_seen jsonb;
begin
  insert into belayer.provider_rate (provider, model, per_minute, base, lowered_at, not_before, next_at, seen)
  values (p_provider, p_model, greatest(p_seen, p_seen_min) / 2, greatest(p_seen, p_seen_min), now_, v_before, v_before, jsonb_build_object(p_worker, p_seen))
  on conflict do nothing;
  if found then
    perform pg_notify('belayer_provider', '');
    return;
  end if;
  select * into p from belayer.provider_rate x where x.provider = p_provider and x.model = p_model for update;
  if not found then return; end if;
  if now_ - p_ago_ms * interval '1 ms' < p.lowered_at + p_learnt_ms * interval '1 ms' then
    -- It was sent before everybody knew: one refusal of many. Of the first of them, every worker says what it had sent.
    v_seen := p.seen || jsonb_build_object(p_worker, p_seen);
    v_base := case when p.lowered_times = 1 then greatest(p_seen_min, (select sum(s.value::float8) from jsonb_each_text(v_seen) s)) else p.base end;
    update belayer.provider_rate x set seen = v_seen, base = v_base, per_minute = case when p.lowered_times = 1 then v_base / 2 else p.per_minute end,
      not_before = greatest(x.not_before, v_before), next_at = greatest(x.next_at, v_before)
    where x.provider = p_provider and x.model = p_model;
  else
    v_base := belayer.provider_rate_now(p);
    update belayer.provider_rate x set base = v_base, per_minute = greatest(1, v_base / 2), lowered_at = now_, lowered_times = x.lowered_times + 1,
      not_before = greatest(x.not_before, v_before), next_at = greatest(now_, x.not_before, v_before)
    where x.provider = p_provider and x.model = p_model;
  end if;
end $$;

-- Milliseconds until the turn of a call of this run, which is kept for it; null: nothing is slowed (any more).
create function belayer.provider_turn(p_provider text, p_model text, p_run text) returns bigint
language plpgsql as $$
declare now_ timestamptz := belayer.throttle_now(); p belayer.provider_rate; w belayer.provider_wait; rate float8; v_no bigint; due_ timestamptz;
begin
  select * into p from belayer.provider_rate x where x.provider = p_provider and x.model = p_model for update;
  if not found then return null; end if;
  rate := belayer.provider_rate_now(p);
  if rate >= 2 * p.base then
    delete from belayer.provider_rate x where x.provider = p_provider and x.model = p_model;
    -- Who still waits is told, as of a budget that was changed.
    with freed as (delete from belayer.provider_wait x where x.provider = p_provider and x.model = p_model returning x.run_no)
    insert into belayer.budget_wait as x (run_no, rule_id, wake_at) select freed.run_no, 0, clock_timestamp() from freed
    on conflict (run_no) do update set wake_at = clock_timestamp(), told_at = null;
    perform pg_notify('belayer_provider', '');
    return null;
  end if;
  select no into v_no from belayer.run where id = p_run;
  select * into w from belayer.provider_wait x where x.run_no = v_no and x.provider = p_provider and x.model = p_model;
  -- A turn from before the rate was lowered, or that was let pass, is none any more.
  if found and w.booked_at >= p.lowered_at and w.due >= p.not_before and now_ <= w.due + interval '60 seconds' then
    if w.due > now_ + interval '10 ms' then return ceil(extract(epoch from w.due - now_) * 1000); end if;
    delete from belayer.provider_wait x where x.run_no = v_no;
    return 0;
  end if;
  due_ := greatest(p.next_at, now_);
  update belayer.provider_rate x set next_at = due_ + (60 / rate) * interval '1 second' where x.provider = p_provider and x.model = p_model;
  if due_ <= now_ then
    delete from belayer.provider_wait x where x.run_no = v_no;
    return 0;
  end if;
  insert into belayer.provider_wait as x (run_no, provider, model, booked_at, due) values (v_no, p_provider, p_model, now_, due_)
  on conflict (run_no) do update set provider = p_provider, model = p_model, booked_at = now_, due = due_;
  return ceil(extract(epoch from due_ - now_) * 1000);
end $$;
`;
