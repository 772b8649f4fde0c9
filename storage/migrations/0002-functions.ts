/**
 * The statements of the hot path, one function each, so that each is one round trip.
 *
 * 1. Every claim takes the stop flags' advisory lock shared; raising a flag takes it exclusively.
 *    So every claim that commits after a flag was raised has seen it.
 * 2. The pulse row is locked first, which orders everything that happens to one run.
 * 3. A reservation is made by the claim and settled exactly once: by the attempt that made it, or by
 *    whoever takes the position over, and then in full.
 * 4. Asking again after an unknown commit changes nothing: a claim knows its worker's token, and an
 *    attempt that has closed is answered as before.
 */
export const functions = /* sql */ `
-- Appends events' numbers to a run and returns the first new one.
create function belayer.advance(p_run_no bigint, p_events int, out number int, out watched boolean)
language sql as $$
  update belayer.pulse set events = events + p_events, state = 'running'
  where run_no = p_run_no
  returning events - p_events + 1, coalesce(watched_until > clock_timestamp(), false)
$$;

create function belayer.add_event(p_run_no bigint, p_kind text, p_position text, p_body jsonb) returns void
language plpgsql as $$
declare a record;
begin
  select * into a from belayer.advance(p_run_no, 1);
  insert into belayer.event (run_no, number, kind, position, body)
  values (p_run_no, a.number, p_kind, p_position, p_body);
  if a.watched then perform pg_notify('belayer_run_' || p_run_no, ''); end if;
end $$;

-- The reason of the first stop flag that applies, or null. A run that has ended is stopped for good: an
-- activity that outlived it claims nothing.
create function belayer.stopped_by(p_run text, p_agent text, p_customer text) returns text
language sql stable as $$
  select coalesce(
    (select reason from belayer.stop_flag
     where (scope = 'run' and (subject = p_run or starts_with(p_run, subject || '/')))
        or (scope = 'agent' and subject = p_agent)
        or (scope = 'customer' and subject = p_customer)
        or scope = 'installation'
     limit 1),
    (select 'The run has ended.' from belayer.run where id = p_run and ended_at is not null))
$$;

create function belayer.raise_flag(p_scope text, p_subject text, p_reason text, p_by text) returns boolean
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
  end if;
  return is_new;
end $$;

create function belayer.start_run(
  p_id text, p_agent text, p_customer text, p_key text, p_definition text, p_input_hash text,
  p_options jsonb, p_fragment text, p_head text, p_micro_usd bigint, p_tokens bigint,
  p_parent text, p_parent_position text,
  out verdict text, out run text, out newest text)
language plpgsql as $$
declare v_no bigint; existing record;
begin
  select hash into newest from belayer.definition where agent = p_agent order by published_at desc limit 1;
  if newest is null then verdict := 'unknown-agent'; return; end if;
  if newest <> p_definition then verdict := 'stale'; return; end if;
  for i in 1..2 loop
    insert into belayer.run (id, agent, customer, key, definition, input_hash, options, parent, parent_position)
    values (p_id, p_agent, p_customer, p_key, p_definition, p_input_hash, p_options, p_parent, p_parent_position)
    on conflict do nothing returning no into v_no;
    exit when v_no is not null;
    select r.no, r.id, r.input_hash, r.created_at into existing from belayer.run r
    where r.id = p_id or (p_key is not null and r.agent = p_agent and r.customer = p_customer and r.key = p_key);
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

-- Gives up the claim of an attempt that never came back: it stays charged in full. The claim ends with it,
-- or whoever is refused after this (by budget, by conflict) would let the next one settle it again.
create function belayer.give_up(c belayer.call, p_outcome text) returns void
language plpgsql as $$
begin
  update belayer.call k set state = case c.kind when 'model' then 'open' else k.state end, reserved_micro_usd = 0, reserved_tokens = 0
  where k.run_no = c.run_no and k.position = c.position;
  insert into belayer.attempt (run_no, position, number, kind, name, worker, started_at, outcome, cost_micro_usd, reserved_micro_usd)
  values (c.run_no, c.position, c.attempt, c.kind, c.name, c.worker, c.claimed_at, p_outcome, c.reserved_micro_usd, c.reserved_micro_usd)
  on conflict do nothing;
  if c.reserved_micro_usd > 0 or c.reserved_tokens > 0 then
    update belayer.budget set reserved_micro_usd = reserved_micro_usd - c.reserved_micro_usd,
      spent_micro_usd = spent_micro_usd + c.reserved_micro_usd,
      reserved_tokens = reserved_tokens - c.reserved_tokens,
      spent_tokens = spent_tokens + c.reserved_tokens
    where scope = 'run' and subject = c.run_no::text and starts_at is null;
  end if;
end $$;

-- A chain's fragments from p_from on, in order, through the chains that it goes on from.
create function belayer.chain_fragments(p_run_no bigint, p_chain int, p_from int, p_length int)
returns table (seq int, at text, body text)
language plpgsql stable as $$
declare parent record;
begin
  select * into parent from belayer.segment s where s.run_no = p_run_no and s.chain = p_chain;
  if found and p_from < parent.parent_length then
    return query select * from belayer.chain_fragments(parent.parent_run_no, parent.parent_chain, p_from, parent.parent_length);
  end if;
  return query
    select e.seq, e.at, coalesce(e.fragment, c.fragment)
    from belayer.entry e left join belayer.call c on e.fragment is null and c.run_no = e.run_no and c.position = e.at
    where e.run_no = p_run_no and e.chain = p_chain and e.seq >= p_from and e.seq < p_length
    order by e.seq;
end $$;

-- The opening statement of a model call: append, check, reserve, claim.
create function belayer.open_model_call(
  p_run text, p_position text, p_worker text, p_model text, p_request_hash text,
  p_chain int, p_from int, p_heads text[], p_ats text[], p_fragments text[],
  p_micro_usd bigint, p_tokens bigint, p_send_ms int, p_want_from int,
  out verdict text, out run_no bigint, out attempt int, out watched boolean, out answer json, out detail text, out fragments text[])
language plpgsql as $$
declare r record; c belayer.call; n int := coalesce(array_length(p_heads, 1), 0); written int; b record; now_ timestamptz := clock_timestamp();
begin
  perform pg_advisory_xact_lock_shared(6004510);
  select no, agent, customer into r from belayer.run where id = p_run;
  if not found then verdict := 'no-run'; return; end if;
  run_no := r.no;
  update belayer.pulse p set state = 'running' where p.run_no = r.no
  returning coalesce(p.watched_until > now_, false) into watched;
  select * into c from belayer.call k where k.run_no = r.no and k.position = p_position;
  if found then
    if c.request_hash <> p_request_hash then verdict := 'conflict'; return; end if;
    if c.state = 'done' then verdict := 'finished'; answer := c.answer; return; end if;
  end if;
  detail := belayer.stopped_by(p_run, r.agent, r.customer);
  if detail is not null then verdict := 'halted'; return; end if;
  if c.state = 'claimed' and c.worker = p_worker then
    verdict := 'claimed'; attempt := c.attempt;
    if p_want_from is not null then
      select array_agg(f.body order by f.seq) into fragments
      from belayer.chain_fragments(r.no, p_chain, p_want_from, p_from + n) f;
    end if;
    return;
  end if;
  if c.state = 'claimed' then perform belayer.give_up(c, 'lost'); end if;
  -- The place of the reply is taken: a reset went another way. Nothing is paid for what could not be kept.
  if exists (select from belayer.entry e where e.run_no = r.no and e.chain = p_chain and e.seq = p_from + n) then
    verdict := 'conflict'; return;
  end if;

  if n > 0 then
    insert into belayer.entry (run_no, chain, seq, head, at, fragment)
    select r.no, p_chain, p_from + i - 1, p_heads[i], p_ats[i], p_fragments[i] from generate_series(1, n) i
    on conflict do nothing;
    get diagnostics written = row_count;
    if written < n and exists (
      select from generate_series(1, n) i join belayer.entry e
        on e.run_no = r.no and e.chain = p_chain and e.seq = p_from + i - 1
      where e.head <> p_heads[i]) then
      verdict := 'conflict'; return;
    end if;
  end if;
  -- What the worker does not hold rendered: nothing, the new entries, or the whole chain.
  if p_want_from is not null then
    select array_agg(f.body order by f.seq) into fragments
    from belayer.chain_fragments(r.no, p_chain, p_want_from, p_from + n) f;
  end if;

  update belayer.budget g set reserved_micro_usd = g.reserved_micro_usd + p_micro_usd, reserved_tokens = g.reserved_tokens + p_tokens
  where g.scope = 'run' and g.subject = r.no::text and g.starts_at is null
    and g.spent_micro_usd + g.reserved_micro_usd + p_micro_usd <= g.ceiling_micro_usd
    and g.spent_tokens + g.reserved_tokens + p_tokens <= g.ceiling_tokens;
  if not found then
    select * into b from belayer.budget g where g.scope = 'run' and g.subject = r.no::text and g.starts_at is null;
    verdict := 'budget';
    answer := jsonb_build_object('microUsdLeft', b.ceiling_micro_usd - b.spent_micro_usd - b.reserved_micro_usd,
      'tokensLeft', b.ceiling_tokens - b.spent_tokens - b.reserved_tokens);
    return;
  end if;

  if c.attempt is null then
    attempt := 1;
    insert into belayer.call (run_no, position, kind, name, request_hash, state, attempt, worker, claimed_at, first_claimed_at, send_deadline, reserved_micro_usd, reserved_tokens)
    values (r.no, p_position, 'model', p_model, p_request_hash, 'claimed', 1, p_worker, now_, now_, now_ + p_send_ms * interval '1 ms', p_micro_usd, p_tokens);
  else
    attempt := c.attempt + 1;
    update belayer.call k set state = 'claimed', attempt = c.attempt + 1, worker = p_worker, claimed_at = now_,
      send_deadline = now_ + p_send_ms * interval '1 ms', reserved_micro_usd = p_micro_usd, reserved_tokens = p_tokens
    where k.run_no = r.no and k.position = p_position;
  end if;
  verdict := 'claimed';
end $$;

-- The closing statement of a model call: journal, reply, settlement, event. p_answer null: the attempt failed.
create function belayer.close_model_call(
  p_run_no bigint, p_position text, p_attempt int, p_worker text,
  p_outcome text, p_code text, p_detail text, p_retryable boolean,
  p_answer json, p_fragment text, p_fragment_hash text, p_output text, p_chain int, p_seq int, p_head text,
  p_cost bigint, p_tokens bigint, p_journal jsonb, p_event jsonb,
  out verdict text, out answer json)
language plpgsql as $$
declare c belayer.call; a record; j record; taken boolean;
begin
  select * into a from belayer.advance(p_run_no, 1);
  select * into c from belayer.call k where k.run_no = p_run_no and k.position = p_position;
  j := jsonb_populate_record(null::belayer.attempt, p_journal);
  if c.attempt <> p_attempt or c.worker <> p_worker or c.state <> 'claimed' then
    update belayer.pulse set events = events - 1 where run_no = p_run_no;
    if c.attempt = p_attempt and c.worker = p_worker and c.state = 'done' then verdict := 'closed'; answer := c.answer; return; end if;
    -- Overtaken: what it learned goes on record, what it would change does not.
    update belayer.attempt t set outcome = 'late', detail = p_outcome, latency_ms = j.latency_ms, prompt_hash = j.prompt_hash
    where t.run_no = p_run_no and t.position = p_position and t.number = p_attempt and t.outcome = 'lost';
    verdict := 'late'; answer := case when c.state = 'done' then c.answer end; return;
  end if;

  insert into belayer.attempt (run_no, position, number, kind, name, worker, started_at, outcome, code, detail, retryable,
    latency_ms, cost_micro_usd, reserved_micro_usd, prompt_hash, prompt_bytes, prompt_head, chain, length, model, finish_reason,
    input_tokens, cached_tokens, output_tokens, reasoning_tokens, price, first_token_ms, request_id, status)
  values (p_run_no, p_position, p_attempt, 'model', c.name, p_worker, c.claimed_at, p_outcome, p_code, p_detail, p_retryable,
    j.latency_ms, p_cost, c.reserved_micro_usd, j.prompt_hash, j.prompt_bytes, j.prompt_head, j.chain, j.length, j.model, j.finish_reason,
    j.input_tokens, j.cached_tokens, j.output_tokens, j.reasoning_tokens, j.price, j.first_token_ms, j.request_id, j.status);
  update belayer.budget set reserved_micro_usd = reserved_micro_usd - c.reserved_micro_usd, spent_micro_usd = spent_micro_usd + p_cost,
    reserved_tokens = reserved_tokens - c.reserved_tokens, spent_tokens = spent_tokens + p_tokens
  where scope = 'run' and subject = p_run_no::text and starts_at is null;
  -- Another position's reply came to this place of the chain first: this one is journalled, and no more.
  taken := p_answer is not null and exists (
    select from belayer.entry e where e.run_no = p_run_no and e.chain = p_chain and e.seq = p_seq);
  if p_answer is null or taken then
    update belayer.call set state = 'open', reserved_micro_usd = 0, reserved_tokens = 0
    where run_no = p_run_no and position = p_position;
  else
    update belayer.call k set state = 'done', reserved_micro_usd = 0, reserved_tokens = 0, answer = p_answer,
      fragment = p_fragment, fragment_hash = p_fragment_hash, output = p_output
    where k.run_no = p_run_no and k.position = p_position;
    insert into belayer.entry (run_no, chain, seq, head, at) values (p_run_no, p_chain, p_seq, p_head, p_position);
  end if;
  insert into belayer.event (run_no, number, kind, position, body)
  values (p_run_no, a.number, case when p_answer is null then 'model.failed' else 'model.replied' end, p_position, p_event);
  if a.watched then perform pg_notify('belayer_run_' || p_run_no, ''); end if;
  verdict := case when taken then 'conflict' else 'closed' end;
end $$;

`;
