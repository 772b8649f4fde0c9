/**
 * Throttles, and the admission of runs: which of them may be in flight, and whose turn is next.
 *
 * 1. `run.place` says where a run stands: `queued`, `in-flight`, or `waiting` for a person, a message or a budget,
 *    which leaves its place to others. Null: it has ended, is a sub-agent's (its parent has the place), or was imported.
 * 2. Whoever admits or queues runs where places are short takes the admission lock, behind the stop flags' lock and
 *    before anything else. Nobody needs it to leave a place. Far below the limit, starts do not take it at all.
 * 3. `run_queue` counts the queued runs of each customer. A trigger keeps it, so that no statement can forget to.
 * 4. A queued run has no workflow. Who ends it closes its books, and nothing of it ever starts.
 */
export const admission = /* sql */ `
-- At most one rule for a customer, one for each customer (*), and one over all (null). Null amounts: no bound.
create table belayer.throttle_rule (
  id bigint generated always as identity primary key,
  customer text,
  runs int,
  model_calls int,
  requests int,
  tokens bigint,
  set_by text not null,
  set_at timestamptz not null default clock_timestamp(),
  reason text,
  unique nulls not distinct (customer)
);

create table belayer.throttle_change (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  -- set | removed
  action text not null,
  customer text,
  by text not null,
  reason text,
  before jsonb,
  after jsonb
);

-- One row. runs: what a worker's BELAYER_RUNS_IN_FLIGHT says; queued: of all customers; turn: who was admitted last.
create table belayer.admission (
  one boolean primary key default true check (one),
  runs int,
  queued int not null default 0,
  turn text
) with (fillfactor = 50);
insert into belayer.admission default values;

create table belayer.run_queue (
  customer text primary key,
  queued int not null
) with (fillfactor = 50);

alter table belayer.run add column place text;
create index run_queued on belayer.run (customer, no) where place = 'queued';
create index run_in_flight on belayer.run (customer, no) where place = 'in-flight';
update belayer.run r set place = case
    when p.state in ('waiting', 'paused') or exists (select from belayer.request q where q.run_no = r.no and q.state = 'open') then 'waiting'
    else 'in-flight' end
from belayer.pulse p where p.run_no = r.no and r.ended_at is null and r.parent is null;

create function belayer.count_queue() returns trigger
language plpgsql as $$
declare by_ int := case when new.place = 'queued' then 1 else -1 end;
begin
  update belayer.admission set queued = queued + by_;
  insert into belayer.run_queue as q (customer, queued) values (new.customer, by_)
  on conflict (customer) do update set queued = q.queued + by_;
  delete from belayer.run_queue where customer = new.customer and queued <= 0;
  return null;
end $$;
create trigger queued_new after insert on belayer.run
for each row when (new.place = 'queued') execute function belayer.count_queue();
create trigger queued_changed after update of place on belayer.run
for each row when (old.place is distinct from new.place and (old.place = 'queued' or new.place = 'queued')) execute function belayer.count_queue();

-- A place is free, and somebody waits for it: workers are told. Without a queue, this is one look at an empty table.
create function belayer.place_left() returns trigger
language plpgsql as $$
begin
  if exists (select from belayer.run_queue) then perform pg_notify('belayer_admission', ''); end if;
  return null;
end $$;
create trigger place_left after update of place on belayer.run
for each row when (old.place = 'in-flight' and new.place is distinct from 'in-flight') execute function belayer.place_left();

-- A run that waits for people or budgets leaves its place, and takes one again without queueing when it goes on.
create function belayer.place_by_pulse() returns trigger
language plpgsql as $$
begin
  if new.state in ('waiting', 'paused') then
    update belayer.run set place = 'waiting' where no = new.run_no and place = 'in-flight';
  else
    update belayer.run r set place = 'in-flight' where r.no = new.run_no and r.place = 'waiting'
      and not exists (select from belayer.request q where q.run_no = r.no and q.state = 'open');
  end if;
  return null;
end $$;
create trigger place_of_run after update of state on belayer.pulse
for each row when (old.state is distinct from new.state and (old.state in ('waiting', 'paused') or new.state in ('waiting', 'paused')))
execute function belayer.place_by_pulse();

create function belayer.place_by_request() returns trigger
language plpgsql as $$
begin
  if new.state = 'open' then
    update belayer.run set place = 'waiting' where no = new.run_no and place = 'in-flight';
  else
    update belayer.run r set place = 'in-flight' where r.no = new.run_no and r.place = 'waiting'
      and not exists (select from belayer.request q where q.run_no = r.no and q.state = 'open')
      and not exists (select from belayer.pulse p where p.run_no = r.no and p.state in ('waiting', 'paused'));
  end if;
  return null;
end $$;
create trigger place_asked after insert on belayer.request
for each row when (new.state = 'open') execute function belayer.place_by_request();
create trigger place_answered after update of state on belayer.request
for each row when (old.state = 'open' and new.state <> 'open') execute function belayer.place_by_request();

-- How many runs may be in flight, of all and of this customer. own_rule: somebody set the latter; where nobody did, a
-- named customer has all places but a share, so that the first run of another finds one.
create function belayer.runs_max(p_customer text, p_default int, p_share float8, out all_max int, out own_max int, out own_rule boolean)
language plpgsql stable as $$
declare o record;
begin
  select coalesce((select t.runs from belayer.throttle_rule t where t.customer is null), a.runs, p_default) into all_max
  from belayer.admission a;
  select t.runs into o from belayer.throttle_rule t where p_customer <> '' and t.customer in (p_customer, '*') order by t.customer = '*' limit 1;
  own_rule := found;
  own_max := o.runs;
  if own_max is null and p_customer <> '' then own_max := greatest(1, floor(all_max * p_share)::int); end if;
end $$;

-- Not in plain SQL: those would be planned anew at each call.
create function belayer.runs_in_flight(p_max int) returns int
language plpgsql stable as $$
begin
  return (select count(*)::int from (select from belayer.run r where r.place = 'in-flight' limit p_max) n);
end $$;
create function belayer.runs_in_flight_of(p_customer text, p_max int) returns int
language plpgsql stable as $$
begin
  return (select count(*)::int from (select from belayer.run r where r.place = 'in-flight' and r.customer = p_customer limit p_max) n);
end $$;

-- Where a new run stands: in-flight | queued | refused, and of the latter two why. p_admission: runs, share, queued,
-- queuedOfCustomer, as the caller's limits have them.
create function belayer.place_for(p_customer text, p_admission jsonb, out place text, out detail jsonb)
language plpgsql as $$
declare m record; v_of int; v_all int; is_own boolean; easy int; margin int;
begin
  select * into m from belayer.runs_max(p_customer, (p_admission->>'runs')::int, (p_admission->>'share')::float8);
  -- Far below the limit, as many starts as there is room between need not take turns: each takes a number, so that
  -- no more of them are under way at once.
  margin := greatest(1, m.all_max / 4);
  easy := m.all_max - margin;
  if not m.own_rule and pg_try_advisory_xact_lock(6004512, floor(random() * margin)::int) then
    if belayer.runs_in_flight(easy) < easy and not exists (select from belayer.run_queue q where q.customer = p_customer) then
      place := 'in-flight'; return;
    end if;
  end if;
  perform pg_advisory_xact_lock(6004512);
  select q.queued into v_of from belayer.run_queue q where q.customer = p_customer;
  is_own := m.own_max is not null and belayer.runs_in_flight_of(p_customer, m.own_max) >= m.own_max;
  if v_of is null and not is_own and belayer.runs_in_flight(m.all_max) < m.all_max then place := 'in-flight'; return; end if;
  select a.queued into v_all from belayer.admission a;
  place := 'queued';
  detail := jsonb_build_object('because', case when is_own then 'customer' else 'installation' end,
    'runsMax', case when is_own then m.own_max else m.all_max end, 'queued', coalesce(v_of, 0), 'queuedOfAll', v_all);
  if coalesce(v_of, 0) >= (p_admission->>'queuedOfCustomer')::int or v_all >= (p_admission->>'queued')::int then
    place := 'refused';
    detail := detail || jsonb_build_object('customer', p_customer, 'queuedMax', (p_admission->>case
      when coalesce(v_of, 0) >= (p_admission->>'queuedOfCustomer')::int then 'queuedOfCustomer' else 'queued' end)::int,
      'queue', case when coalesce(v_of, 0) >= (p_admission->>'queuedOfCustomer')::int then 'customer' else 'installation' end);
  end if;
end $$;

-- Ends a queued run before it starts. False: it is not queued, or not any more.
create function belayer.end_queued(p_run text, p_reason text, p_by text) returns boolean
language plpgsql as $$
declare v_no bigint;
begin
  perform pg_advisory_xact_lock(6004512);
  select r.no into v_no from belayer.run r where r.id = p_run and r.place = 'queued';
  if not found then return false; end if;
  perform from belayer.pulse p where p.run_no = v_no for update;
  perform belayer.add_event(v_no, 'run.halting', null, jsonb_build_object('reason', p_reason, 'by', p_by));
  perform belayer.close_run(p_run, jsonb_build_object('kind', 'stopped', 'because', 'halted', 'detail', p_reason), null, 0);
  -- There is no history to fetch.
  update belayer.archive a set complete = true, due_at = null where a.run_no = v_no;
  return true;
end $$;

-- Admits queued runs while there are places: customers in turn, and of each the oldest first. One that has no room
-- of its own is passed over. The numbers of those whose workflow is now to be started, by the caller.
create function belayer.admit(p_default int, p_share float8, p_runs int, p_customers int) returns setof bigint
language plpgsql as $$
declare m record; free int; v_turn text; v_customer text; v_no bigint; r record; passed int := 0; admitted int := 0; customers int;
  stopped jsonb; has_flags boolean;
begin
  if not exists (select from belayer.run_queue) then return; end if;
  perform pg_advisory_xact_lock_shared(6004510);
  perform pg_advisory_xact_lock(6004512);
  has_flags := exists (select from belayer.stop_flag);
  select * into m from belayer.runs_max('', p_default, p_share);
  free := m.all_max - belayer.runs_in_flight(m.all_max);
  select a.turn into v_turn from belayer.admission a;
  select count(*) into customers from (select from belayer.run_queue limit p_customers) n;
  while free > 0 and admitted < p_runs and passed < customers loop
    select q.customer into v_customer from belayer.run_queue q where v_turn is null or q.customer > v_turn order by q.customer limit 1;
    if not found then
      exit when v_turn is null;
      v_turn := null;
      continue;
    end if;
    v_turn := v_customer;
    select * into m from belayer.runs_max(v_customer, p_default, p_share);
    if m.own_max is not null and belayer.runs_in_flight_of(v_customer, m.own_max) >= m.own_max then
      passed := passed + 1;
      continue;
    end if;
    select x.no, x.id, x.agent, x.created_at into r from belayer.run x where x.place = 'queued' and x.customer = v_customer order by x.no limit 1;
    exit when not found;
    if has_flags then
      stopped := belayer.start_stopped_by(r.id, r.agent, v_customer, null);
      if stopped is not null then
        perform belayer.end_queued(r.id, stopped->>'reason', stopped->>'by');
        admitted := admitted + 1;
        continue;
      end if;
    end if;
    perform from belayer.pulse p where p.run_no = r.no for update;
    update belayer.run x set place = 'in-flight' where x.no = r.no;
    perform belayer.add_event(r.no, 'run.admitted', null,
      jsonb_build_object('waitedMs', (extract(epoch from clock_timestamp() - r.created_at) * 1000)::bigint));
    -- Taken by the caller: a sweep takes it where the caller dies with it.
    update belayer.pulse p set state = 'starting', swept_at = clock_timestamp() where p.run_no = r.no;
    free := free - 1; admitted := admitted + 1; passed := 0;
    return next r.no;
  end loop;
  update belayer.admission set turn = v_turn;
end $$;

-- What start_run was, for those who may have to queue. p_admission null: it is started at once whatever is in flight,
-- since its caller does so in any case.
create function belayer.start_in_turn(
  p_id text, p_agent text, p_customer text, p_key text, p_definition text, p_input_hash text,
  p_options jsonb, p_fragment text, p_head text, p_micro_usd bigint, p_tokens bigint,
  p_parent text, p_parent_position text, p_admission jsonb,
  out verdict text, out run text, out newest text, out is_queued boolean)
language plpgsql as $$
declare v_no bigint; existing record; stopped jsonb; v record;
begin
  perform pg_advisory_xact_lock_shared(6004510);
  newest := belayer.startable_definition(p_agent, p_definition);
  if newest is null then verdict := 'unknown-agent'; return; end if;
  if newest <> p_definition then verdict := 'stale'; return; end if;
  stopped := belayer.start_stopped_by(p_id, p_agent, p_customer, p_parent);
  if p_parent is not null then
    select null::text as place, null::jsonb as detail into v;
  elsif p_admission is null or stopped is not null then
    select 'in-flight' as place, null::jsonb as detail into v;
  else
    select * into v from belayer.place_for(p_customer, p_admission);
  end if;
  for i in 1..2 loop
    -- What exists is given even under a flag or behind a full queue, and the attempt to write it twice would leave dead rows.
    if stopped is null and v.place is distinct from 'refused' then
      insert into belayer.run (id, agent, customer, key, definition, input_hash, options, parent, parent_position, place)
      values (p_id, p_agent, p_customer, p_key, p_definition, p_input_hash, p_options, p_parent, p_parent_position, v.place)
      on conflict do nothing returning no into v_no;
      exit when v_no is not null;
    end if;
    select r.no, r.id, r.input_hash, r.created_at, r.place into existing from belayer.run r
    where r.id = p_id or (p_key is not null and r.agent = p_agent and r.customer = p_customer and r.key = p_key);
    if not found or (existing.id <> p_id and existing.created_at < clock_timestamp() - interval '30 days') then
      if stopped is not null then
        raise exception 'A stop flag covers the start: %', stopped->>'reason' using errcode = 'BL001', detail = stopped::text;
      elsif v.place = 'refused' then
        raise exception 'The queue is full' using errcode = 'BL002', detail = v.detail::text;
      end if;
    end if;
    if existing.id <> p_id and existing.created_at < clock_timestamp() - interval '30 days' then
      update belayer.run set key = null where no = existing.no;
      continue;
    end if;
    run := existing.id;
    is_queued := existing.place is not distinct from 'queued';
    verdict := case when existing.input_hash = p_input_hash then 'existing' else 'key-reused' end;
    return;
  end loop;
  is_queued := v.place is not distinct from 'queued';
  insert into belayer.pulse (run_no, state, events)
  values (v_no, case when is_queued then 'queued' else 'starting' end, case when is_queued then 2 else 1 end);
  insert into belayer.budget (scope, subject, ceiling_micro_usd, ceiling_tokens)
  values ('run', v_no::text, p_micro_usd, p_tokens);
  insert into belayer.entry (run_no, chain, seq, head, at, fragment) values (v_no, 0, 0, p_head, '0', p_fragment);
  insert into belayer.event (run_no, number, kind, body)
  values (v_no, 1, 'run.started', jsonb_strip_nulls(jsonb_build_object('agent', p_agent, 'customer', nullif(p_customer, ''))));
  if is_queued then
    insert into belayer.event (run_no, number, kind, body) values (v_no, 2, 'run.queued', v.detail);
  end if;
  run := p_id;
  verdict := 'started';
end $$;

-- Processes from before there was a queue start their runs themselves.
create or replace function belayer.start_run(
  p_id text, p_agent text, p_customer text, p_key text, p_definition text, p_input_hash text,
  p_options jsonb, p_fragment text, p_head text, p_micro_usd bigint, p_tokens bigint,
  p_parent text, p_parent_position text,
  out verdict text, out run text, out newest text)
language plpgsql as $$
begin
  select s.verdict, s.run, s.newest into verdict, run, newest
  from belayer.start_in_turn(p_id, p_agent, p_customer, p_key, p_definition, p_input_hash, p_options, p_fragment, p_head,
    p_micro_usd, p_tokens, p_parent, p_parent_position, null) s;
end $$;

-- Lines of other functions that have to know of a place or of a queue; the rest of each is as it stands.
create function belayer.with_line_changed(p_function regproc, p_from text, p_to text) returns void
language plpgsql as $$
declare source text := pg_get_functiondef(p_function); changed text := replace(source, p_from, p_to);
begin
  if changed = source then raise exception '% does not say "%"', p_function, p_from; end if;
  execute changed;
end $$;
select belayer.with_line_changed('belayer.close_run', 'set ended_at = clock_timestamp(), outcome', 'set ended_at = clock_timestamp(), place = null, outcome');
select belayer.with_line_changed('belayer.advance', 'case state when ''paused'' then state else', 'case when state in (''paused'', ''queued'') then state else');
select belayer.with_line_changed('belayer.silent_runs', 'p.state not in (''paused'', ''waiting'')', 'p.state not in (''paused'', ''waiting'', ''queued'', ''throttled'')');
-- A fork is made by a person who waits for it: it has a place, and does not queue for it.
select belayer.with_line_changed('belayer.fork_run', 'fork_of, fork_at, fork)
      values (p_id, p_agent, p_customer, p_key, p_definition, p_input_hash, p_options, p_of, p_at, p_fork)',
  'fork_of, fork_at, fork, place)
      values (p_id, p_agent, p_customer, p_key, p_definition, p_input_hash, p_options, p_of, p_at, p_fork, ''in-flight'')');

create function belayer.throttle_json(t belayer.throttle_rule) returns jsonb language sql immutable as $$
  select jsonb_build_object('runs', t.runs, 'modelCalls', t.model_calls, 'requestsPerMinute', t.requests, 'tokensPerMinute', t.tokens)
$$;

create function belayer.set_throttle(p_customer text, p_runs int, p_model_calls int, p_requests int, p_tokens bigint, p_by text, p_reason text)
returns void
language plpgsql as $$
declare old belayer.throttle_rule; new_ belayer.throttle_rule;
begin
  perform pg_advisory_xact_lock(6004510);
  select * into old from belayer.throttle_rule t where t.customer is not distinct from p_customer;
  insert into belayer.throttle_rule as t (customer, runs, model_calls, requests, tokens, set_by, reason)
  values (p_customer, p_runs, p_model_calls, p_requests, p_tokens, p_by, p_reason)
  on conflict (customer) do update set runs = p_runs, model_calls = p_model_calls, requests = p_requests, tokens = p_tokens,
    set_by = p_by, set_at = clock_timestamp(), reason = p_reason
  returning * into new_;
  insert into belayer.throttle_change (action, customer, by, reason, before, after)
  values ('set', p_customer, p_by, p_reason, case when old.id is not null then belayer.throttle_json(old) end, belayer.throttle_json(new_));
  perform belayer.throttle_changed(new_.id, p_customer);
end $$;

-- False where there is no such rule.
create function belayer.remove_throttle(p_customer text, p_by text, p_reason text) returns boolean
language plpgsql as $$
declare old belayer.throttle_rule;
begin
  perform pg_advisory_xact_lock(6004510);
  delete from belayer.throttle_rule t where t.customer is not distinct from p_customer returning * into old;
  if not found then return false; end if;
  insert into belayer.throttle_change (action, customer, by, reason, before)
  values ('removed', p_customer, p_by, p_reason, belayer.throttle_json(old));
  perform belayer.throttle_changed(old.id, p_customer);
  return true;
end $$;
`;
