/**
 * Stop flags that a human sets and lifts, the halting of the runs that they cover, and ends by force.
 *
 * 1. Setting and lifting take the flags' advisory lock exclusively; claims and starts take it shared. So
 *    whatever commits after a flag's return has seen it, a start as well as a claim.
 * 2. A run that waits makes no claim: it is told by signal. `halt_sent` says which were told, so that a
 *    worker's sweep goes on where a dead setter stopped, and two sweeps do not do the same work.
 * 3. An end by force leaves no claim standing: an effect whose outcome nobody knows becomes `unknown`.
 */
export const stopFlags = /* sql */ `
-- Every set and lift of a flag that stands until it is lifted. A run's own flag ends with its run, and is in
-- the run's events.
create table belayer.stop_flag_change (
  id bigint generated always as identity primary key,
  at timestamptz not null default clock_timestamp(),
  action text not null,
  scope text not null,
  subject text not null,
  reason text not null,
  by text not null
);

-- Who was told to halt because of a flag. Taken: somebody is about to; sent: Temporal has the signal.
create table belayer.halt_sent (
  run_no bigint primary key references belayer.run on delete cascade,
  taken_at timestamptz not null,
  sent_at timestamptz
);

create function belayer.flag_covers(p_scope text, p_subject text, p_run text, p_agent text, p_customer text) returns boolean
language sql immutable as $$
  select case p_scope
    when 'run' then p_subject = p_run or starts_with(p_run, p_subject || '/')
    when 'agent' then p_subject = p_agent
    when 'customer' then p_subject = p_customer
    else true end
$$;

create or replace function belayer.raise_flag(p_scope text, p_subject text, p_reason text, p_by text) returns boolean
language plpgsql as $$
declare is_new boolean;
begin
  perform pg_advisory_xact_lock(6004510);
  insert into belayer.stop_flag (scope, subject, reason, set_by)
  values (p_scope, p_subject, p_reason, p_by) on conflict do nothing;
  is_new := found;
  perform pg_notify('belayer_halt', json_build_object('scope', p_scope, 'subject', p_subject, 'reason', left(p_reason, 500))::text);
  if is_new and p_scope = 'run' then
    perform belayer.add_event(no, 'run.halting', null, jsonb_build_object('reason', p_reason, 'by', p_by))
    from belayer.run where id = p_subject and ended_at is null;
  elsif is_new then
    insert into belayer.stop_flag_change (action, scope, subject, reason, by)
    values ('set', p_scope, p_subject, p_reason, p_by);
  end if;
  return is_new;
end $$;

-- False where no such flag stands. Workers are told, or calls that rely on their copy would still be refused.
create function belayer.lift_flag(p_scope text, p_subject text, p_reason text, p_by text) returns boolean
language plpgsql as $$
begin
  perform pg_advisory_xact_lock(6004510);
  delete from belayer.stop_flag where scope = p_scope and subject = p_subject;
  if not found then return false; end if;
  insert into belayer.stop_flag_change (action, scope, subject, reason, by)
  values ('lifted', p_scope, p_subject, p_reason, p_by);
  perform pg_notify('belayer_halt', json_build_object('lifted', true)::text);
  return true;
end $$;

-- Why nothing may be started under this id, or null: the widest flag that covers it, or a parent that has ended.
-- One statement, so that a flag which ends with its run is never missed between two looks.
create function belayer.start_stopped_by(p_run text, p_agent text, p_customer text, p_parent text) returns jsonb
language sql stable as $$
  select coalesce(
    (select jsonb_build_object('scope', f.scope, 'subject', f.subject, 'reason', f.reason, 'by', f.set_by, 'since', f.set_at)
     from belayer.stop_flag f where belayer.flag_covers(f.scope, f.subject, p_run, p_agent, p_customer)
     order by array_position(array['installation', 'customer', 'agent', 'run'], f.scope) limit 1),
    (select jsonb_build_object('scope', 'run', 'subject', r.id, 'reason', 'The run has ended.', 'by', 'belayer', 'since', r.ended_at)
     from belayer.run r where r.id = p_parent and r.ended_at is not null))
$$;

-- A start that a flag covers is refused by an error (SQLSTATE BL001, the flag in its detail): nothing of it stays,
-- and a caller that does not know the refusal cannot take it for a start.
create or replace function belayer.start_run(
  p_id text, p_agent text, p_customer text, p_key text, p_definition text, p_input_hash text,
  p_options jsonb, p_fragment text, p_head text, p_micro_usd bigint, p_tokens bigint,
  p_parent text, p_parent_position text,
  out verdict text, out run text, out newest text)
language plpgsql as $$
declare v_no bigint; existing record; stopped jsonb;
begin
  perform pg_advisory_xact_lock_shared(6004510);
  select hash into newest from belayer.definition where agent = p_agent order by published_at desc limit 1;
  if newest is null then verdict := 'unknown-agent'; return; end if;
  if newest <> p_definition then verdict := 'stale'; return; end if;
  stopped := belayer.start_stopped_by(p_id, p_agent, p_customer, p_parent);
  for i in 1..2 loop
    -- What exists is given even under a flag, and the attempt to write it twice would leave dead rows.
    if stopped is null then
      insert into belayer.run (id, agent, customer, key, definition, input_hash, options, parent, parent_position)
      values (p_id, p_agent, p_customer, p_key, p_definition, p_input_hash, p_options, p_parent, p_parent_position)
      on conflict do nothing returning no into v_no;
      exit when v_no is not null;
    end if;
    select r.no, r.id, r.input_hash, r.created_at into existing from belayer.run r
    where r.id = p_id or (p_key is not null and r.agent = p_agent and r.customer = p_customer and r.key = p_key);
    if stopped is not null and (not found or (existing.id <> p_id and existing.created_at < clock_timestamp() - interval '30 days')) then
      raise exception 'A stop flag covers the start: %', stopped->>'reason' using errcode = 'BL001', detail = stopped::text;
    end if;
    if existing.id <> p_id and existing.created_at < clock_timestamp() - interval '30 days' then
      update belayer.run set key = null where no = existing.no;
      continue;
    end if;
    run := existing.id;
    verdict := case when existing.input_hash = p_input_hash then 'existing' else 'key-reused' end;
    return;
  end loop;
  insert into belayer.pulse (run_no) values (v_no);
  insert into belayer.budget (scope, subject, ceiling_micro_usd, ceiling_tokens)
  values ('run', v_no::text, p_micro_usd, p_tokens);
  insert into belayer.entry (run_no, chain, seq, head, at, fragment) values (v_no, 0, 0, p_head, '0', p_fragment);
  insert into belayer.event (run_no, number, kind, body)
  values (v_no, 1, 'run.started', jsonb_strip_nulls(jsonb_build_object('agent', p_agent, 'customer', nullif(p_customer, ''))));
  run := p_id;
  verdict := 'started';
end $$;

-- Takes open runs that a flag covers and that nobody has told yet, each once; who takes one and does not tell it
-- loses it again after p_lease_ms. p_scope null: of every flag that has stood for p_older_ms.
create function belayer.take_to_halt(p_scope text, p_subject text, p_older_ms int, p_lease_ms int, p_limit int)
returns table (no bigint, run text, scope text, subject text, reason text, set_by text)
language plpgsql as $$
#variable_conflict use_column
begin
  -- The common case, no flag at all, must cost nothing, however many runs are open. And one sweep at a time looks.
  if not exists (select from belayer.stop_flag f where f.set_at <= clock_timestamp() - p_older_ms * interval '1 ms'
      and (p_scope is null or (f.scope = p_scope and f.subject = p_subject))) then return; end if;
  if p_scope is null and not pg_try_advisory_xact_lock(6004511) then return; end if;
  return query
  with covered as (
    select distinct on (r.no) r.no, r.id, f.scope, f.subject, f.reason, f.set_by
    from belayer.stop_flag f
    join belayer.run r on r.ended_at is null and belayer.flag_covers(f.scope, f.subject, r.id, r.agent, r.customer)
    left join belayer.halt_sent s on s.run_no = r.no
    where (p_scope is null or (f.scope = p_scope and f.subject = p_subject))
      and f.set_at <= clock_timestamp() - p_older_ms * interval '1 ms'
      and (s.run_no is null or (s.sent_at is null and s.taken_at < clock_timestamp() - p_lease_ms * interval '1 ms'))
    order by r.no limit p_limit),
  taken as (
    insert into belayer.halt_sent as s (run_no, taken_at)
    select c.no, clock_timestamp() from covered c order by c.no
    on conflict (run_no) do update set taken_at = clock_timestamp()
      where s.sent_at is null and s.taken_at < clock_timestamp() - p_lease_ms * interval '1 ms'
    returning s.run_no)
  select c.no, c.id, c.scope, c.subject, c.reason, c.set_by
  from taken t join covered c on c.no = t.run_no order by c.no;
end $$;

-- Ends a run whose workflow cannot: once. What stands claimed is given up, an effect as one
-- whose outcome nobody knows, and the positions of those are in the outcome's detail. Children are closed before
-- their parent, or what they spent would be missed.
create function belayer.force_close(p_run text, p_detail text, out closed boolean, out outcome jsonb, out unknown text[])
language plpgsql as $$
declare v_no bigint; v_ended timestamptz; c belayer.call;
begin
  select r.no into v_no from belayer.run r where r.id = p_run;
  perform from belayer.pulse p where p.run_no = v_no for update;
  select r.ended_at into v_ended from belayer.run r where r.no = v_no;
  closed := v_ended is null;
  if closed then
    for c in select * from belayer.call k where k.run_no = v_no and k.state = 'claimed' and k.kind <> 'child' loop
      perform belayer.give_up(c, 'lost');
      if c.kind = 'tool' then
        update belayer.call k set state = 'unknown' where k.run_no = v_no and k.position = c.position;
      end if;
    end loop;
  end if;
  select coalesce(array_agg(k.position order by k.first_claimed_at, k.position), '{}') into unknown
  from belayer.call k where k.run_no = v_no and k.kind = 'tool' and k.state = 'unknown';
  if closed then
    perform belayer.close_run(p_run,
      jsonb_build_object('kind', 'stopped', 'because', 'halted', 'detail', p_detail || case when cardinality(unknown) = 0 then ''
        else ' (not known what became of: ' || array_to_string(unknown, ', ') || ')' end),
      null, (select count(*)::int from belayer.call k where k.run_no = v_no and k.kind = 'model' and k.state = 'done'
        and k.position not like '%/repair%'));
  end if;
  select r.outcome into outcome from belayer.run r where r.no = v_no;
end $$;
`;
