/**
 * The statements of tool calls, child runs and a run's end: the second part of `0002-functions.ts`,
 * whose invariants hold here as well.
 */
export const toolCalls = /* sql */ `-- A tool call that needs no claim, in one statement, after it ran. The first recorded result wins.
create function belayer.record_read(
  p_run text, p_position text, p_worker text, p_tool text, p_request_hash text, p_started_at timestamptz,
  p_outcome text, p_code text, p_detail text, p_retryable boolean, p_latency_ms int, p_cost bigint,
  p_answer json, p_fragment text, p_fragment_hash text, p_event jsonb,
  out verdict text, out answer json, out fragment text, out attempt int)
language plpgsql as $$
declare v_no bigint; c belayer.call; a record;
begin
  select no into v_no from belayer.run where id = p_run;
  if not found then verdict := 'no-run'; return; end if;
  select * into a from belayer.advance(v_no, 1);
  select * into c from belayer.call k where k.run_no = v_no and k.position = p_position;
  if found and (c.state = 'done' or c.request_hash <> p_request_hash) then
    update belayer.pulse set events = events - 1 where run_no = v_no;
    if c.request_hash <> p_request_hash then verdict := 'conflict'; return; end if;
    verdict := 'finished'; answer := c.answer; fragment := c.fragment; attempt := c.attempt; return;
  end if;
  if c.worker = p_worker then
    -- Asked again after a commit whose answer was lost.
    update belayer.pulse set events = events - 1 where run_no = v_no;
    verdict := 'recorded'; attempt := c.attempt; return;
  end if;
  attempt := coalesce(c.attempt, 0) + 1;
  insert into belayer.attempt (run_no, position, number, kind, name, worker, started_at, outcome, code, detail, retryable, latency_ms, cost_micro_usd)
  values (v_no, p_position, attempt, 'tool', p_tool, p_worker, p_started_at, p_outcome, p_code, p_detail, p_retryable, p_latency_ms, p_cost);
  if c.attempt is null then
    insert into belayer.call (run_no, position, kind, name, request_hash, state, attempt, worker, claimed_at, first_claimed_at, answer, fragment, fragment_hash)
    values (v_no, p_position, 'tool', p_tool, p_request_hash, case when p_answer is null then 'open' else 'done' end, 1,
      p_worker, p_started_at, p_started_at, p_answer, p_fragment, p_fragment_hash);
  else
    update belayer.call k set attempt = c.attempt + 1, worker = p_worker, claimed_at = p_started_at,
      state = case when p_answer is null then 'open' else 'done' end, answer = p_answer, fragment = p_fragment, fragment_hash = p_fragment_hash
    where k.run_no = v_no and k.position = p_position;
  end if;
  if p_cost > 0 then
    update belayer.budget set spent_micro_usd = spent_micro_usd + p_cost
    where scope = 'run' and subject = v_no::text and starts_at is null;
  end if;
  insert into belayer.event (run_no, number, kind, position, body)
  values (v_no, a.number, case when p_answer is null then 'tool.failed' else 'tool.finished' end, p_position,
    p_event || jsonb_build_object('attempt', attempt));
  if a.watched then perform pg_notify('belayer_run_' || v_no, ''); end if;
  verdict := 'recorded';
end $$;

-- The claim of an effect. p_again: the request by which a human let it run again; p_verified: the tool's
-- own verification found nothing done. Who is told 'unknown' holds the position and may settle it.
create function belayer.claim_call(
  p_run text, p_position text, p_worker text, p_tool text, p_request_hash text,
  p_repeat text, p_key_valid_ms bigint, p_send_ms int, p_again text, p_verified boolean,
  out verdict text, out run_no bigint, out attempt int, out answer json, out detail text, out wait_ms int, out customer text)
language plpgsql as $$
declare r record; c belayer.call; now_ timestamptz := clock_timestamp(); approved boolean;
begin
  perform pg_advisory_xact_lock_shared(6004510);
  select no, agent, run.customer into r from belayer.run where id = p_run;
  if not found then verdict := 'no-run'; return; end if;
  run_no := r.no; customer := r.customer;
  perform from belayer.pulse p where p.run_no = r.no for update;
  detail := belayer.stopped_by(p_run, r.agent, r.customer);
  select * into c from belayer.call k where k.run_no = r.no and k.position = p_position;
  if found then
    if c.request_hash <> p_request_hash then verdict := 'conflict'; return; end if;
    if c.state = 'done' then verdict := 'finished'; answer := c.answer; return; end if;
    if c.state = 'claimed' and c.worker = p_worker then verdict := 'claimed'; attempt := c.attempt; return; end if;
  end if;
  if detail is not null and (c.attempt is null or c.state = 'open') then verdict := 'halted'; return; end if;
  if c.attempt is null then
    attempt := 1;
    insert into belayer.call (run_no, position, kind, name, request_hash, state, attempt, worker, claimed_at, first_claimed_at, send_deadline)
    values (r.no, p_position, 'tool', p_tool, p_request_hash, 'claimed', 1, p_worker, now_, now_, now_ + p_send_ms * interval '1 ms');
    verdict := 'claimed'; return;
  end if;

  if c.state in ('claimed', 'unknown') then
    -- An attempt may still be on its way until its send deadline; only then can anyone say what became of it.
    if c.send_deadline > now_ and p_repeat = 'never' then
      verdict := 'wait'; wait_ms := ceil(extract(epoch from c.send_deadline - now_) * 1000); return;
    end if;
    if c.state = 'claimed' then perform belayer.give_up(c, 'lost'); end if;
    approved := p_again is not null and exists (
      select from belayer.request q where q.run_no = r.no and q.position = p_again and q.state = 'approved'
        and q.arguments_hash = p_request_hash and q.kind = 'unknown'
        -- One permission is for one attempt: it must be newer than the attempt whose outcome is unknown.
        and q.opened_at > c.claimed_at);
    -- Only who took the settling over may say that 'verify' found nothing done.
    approved := approved or (p_verified and c.worker = p_worker);
    if not approved and not (p_repeat = 'safe' or (p_repeat = 'keyed' and c.first_claimed_at + p_key_valid_ms * interval '1 ms' > now_)) then
      update belayer.call k set state = 'unknown', worker = p_worker where k.run_no = r.no and k.position = p_position;
      verdict := 'unknown'; attempt := c.attempt; detail := 'Attempt ' || c.attempt || ' began at ' || to_char(c.claimed_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') || ' on ' || c.worker || ' and its outcome is not known.';
      return;
    end if;
    if detail is not null and approved then
      -- Halted, and it is known that nothing happened: there is nothing to ask.
      update belayer.call k set state = 'open', worker = p_worker where k.run_no = r.no and k.position = p_position;
      verdict := 'halted'; return;
    end if;
    if detail is not null then
      -- Halted: it is not sent again, and what became of it is for a human.
      update belayer.call k set state = 'unknown', worker = p_worker where k.run_no = r.no and k.position = p_position;
      verdict := 'unknown'; attempt := c.attempt; detail := 'The run was halted (' || detail || ') while the outcome of attempt ' || c.attempt || ' was not known.';
      return;
    end if;
  end if;
  attempt := c.attempt + 1;
  update belayer.call k set state = 'claimed', attempt = c.attempt + 1, worker = p_worker, claimed_at = now_,
    send_deadline = now_ + p_send_ms * interval '1 ms'
  where k.run_no = r.no and k.position = p_position;
  verdict := 'claimed';
end $$;

-- Ends an attempt of an effect. p_state: done | open (nothing happened) | unknown.
create function belayer.close_call(
  p_run_no bigint, p_position text, p_attempt int, p_worker text, p_state text,
  p_outcome text, p_code text, p_detail text, p_retryable boolean, p_latency_ms int, p_cost bigint,
  p_answer json, p_fragment text, p_fragment_hash text, p_event jsonb,
  out verdict text, out answer json)
language plpgsql as $$
declare c belayer.call; a record;
begin
  select * into a from belayer.advance(p_run_no, 1);
  select * into c from belayer.call k where k.run_no = p_run_no and k.position = p_position;
  if c.attempt <> p_attempt or c.worker <> p_worker or c.state = p_state or c.state not in ('claimed', 'unknown') then
    update belayer.pulse set events = events - 1 where run_no = p_run_no;
    if c.attempt = p_attempt and c.worker = p_worker and c.state = p_state then verdict := 'closed'; answer := c.answer; return; end if;
    update belayer.attempt t set outcome = 'late', detail = p_outcome
    where t.run_no = p_run_no and t.position = p_position and t.number = p_attempt and t.outcome = 'lost';
    verdict := 'late'; answer := case when c.state = 'done' then c.answer end; return;
  end if;
  insert into belayer.attempt (run_no, position, number, kind, name, worker, started_at, outcome, code, detail, retryable, latency_ms, cost_micro_usd)
  values (p_run_no, p_position, p_attempt, c.kind, c.name, p_worker, c.claimed_at, p_outcome, p_code, p_detail, p_retryable, p_latency_ms, p_cost)
  on conflict do nothing;
  update belayer.call k set state = p_state, answer = p_answer, fragment = p_fragment, fragment_hash = p_fragment_hash
  where k.run_no = p_run_no and k.position = p_position;
  if p_cost > 0 then
    update belayer.budget set spent_micro_usd = spent_micro_usd + p_cost
    where scope = 'run' and subject = p_run_no::text and starts_at is null;
  end if;
  insert into belayer.event (run_no, number, kind, position, body)
  values (p_run_no, a.number, case when p_state = 'done' then 'tool.finished' else 'tool.failed' end, p_position,
    p_event || jsonb_build_object('attempt', p_attempt));
  if a.watched then perform pg_notify('belayer_run_' || p_run_no, ''); end if;
  verdict := 'closed';
end $$;

-- Carves a child run's ceiling out of its parent's. Asked again, the answer is the same.
create function belayer.open_child(
  p_run text, p_position text, p_worker text, p_agent text, p_request_hash text, p_micro_usd bigint, p_tokens bigint,
  out verdict text, out run_no bigint, out micro_usd bigint, out tokens bigint, out answer json, out detail text, out customer text)
language plpgsql as $$
declare r record; c belayer.call; b record; now_ timestamptz := clock_timestamp();
begin
  perform pg_advisory_xact_lock_shared(6004510);
  select no, agent, run.customer into r from belayer.run where id = p_run;
  if not found then verdict := 'no-run'; return; end if;
  run_no := r.no; customer := r.customer;
  perform from belayer.pulse p where p.run_no = r.no for update;
  select * into c from belayer.call k where k.run_no = r.no and k.position = p_position;
  if found then
    if c.request_hash <> p_request_hash then verdict := 'conflict'; return; end if;
    if c.state = 'done' then verdict := 'finished'; answer := c.answer; return; end if;
    verdict := 'opened'; micro_usd := c.reserved_micro_usd; tokens := c.reserved_tokens; return;
  end if;
  detail := belayer.stopped_by(p_run, r.agent, r.customer);
  if detail is not null then verdict := 'halted'; return; end if;
  select * into b from belayer.budget g where g.scope = 'run' and g.subject = r.no::text and g.starts_at is null for update;
  micro_usd := least(p_micro_usd, b.ceiling_micro_usd - b.spent_micro_usd - b.reserved_micro_usd);
  tokens := least(p_tokens, b.ceiling_tokens - b.spent_tokens - b.reserved_tokens);
  if micro_usd <= 0 or tokens <= 0 then verdict := 'budget'; return; end if;
  update belayer.budget g set reserved_micro_usd = g.reserved_micro_usd + open_child.micro_usd, reserved_tokens = g.reserved_tokens + open_child.tokens
  where g.id = b.id;
  insert into belayer.call (run_no, position, kind, name, request_hash, state, attempt, worker, claimed_at, first_claimed_at, reserved_micro_usd, reserved_tokens)
  values (r.no, p_position, 'child', p_agent, p_request_hash, 'claimed', 1, p_worker, now_, now_, open_child.micro_usd, open_child.tokens);
  perform belayer.add_event(r.no, 'child.started', p_position, jsonb_build_object('child', p_run || '/' || p_position));
  verdict := 'opened';
end $$;

-- Settles a child run under its parent: what it spent, and what the model is told of it.
create function belayer.close_child(
  p_run text, p_position text, p_child text, p_worker text, p_status text, p_code text,
  p_answer jsonb, p_fragment text, p_fragment_hash text, p_event jsonb,
  out verdict text, out answer json)
language plpgsql as $$
declare v_no bigint; c belayer.call; b record;
begin
  select no into v_no from belayer.run where id = p_run;
  perform from belayer.pulse p where p.run_no = v_no for update;
  select * into c from belayer.call k where k.run_no = v_no and k.position = p_position;
  if c.state = 'done' then verdict := 'finished'; answer := c.answer; return; end if;
  select coalesce(g.spent_micro_usd, 0) as micro_usd, coalesce(g.spent_tokens, 0) as tokens into b
  from (select 1) one left join belayer.run r on r.id = p_child
  left join belayer.budget g on g.scope = 'run' and g.subject = r.no::text and g.starts_at is null;
  insert into belayer.attempt (run_no, position, number, kind, name, worker, started_at, outcome, code, cost_micro_usd, reserved_micro_usd)
  values (v_no, p_position, 1, 'child', c.name, p_worker, c.claimed_at, case p_status when 'ok' then 'ok' else 'failed' end, p_code, b.micro_usd, c.reserved_micro_usd)
  on conflict do nothing;
  update belayer.budget g set reserved_micro_usd = g.reserved_micro_usd - c.reserved_micro_usd, spent_micro_usd = g.spent_micro_usd + b.micro_usd,
    reserved_tokens = g.reserved_tokens - c.reserved_tokens, spent_tokens = g.spent_tokens + b.tokens
  where g.scope = 'run' and g.subject = v_no::text and g.starts_at is null;
  update belayer.call k set state = 'done', reserved_micro_usd = 0, reserved_tokens = 0,
    answer = p_answer || jsonb_build_object('costMicroUsd', b.micro_usd), fragment = p_fragment, fragment_hash = p_fragment_hash
  where k.run_no = v_no and k.position = p_position returning k.answer into answer;
  perform belayer.add_event(v_no, 'tool.finished', p_position, p_event);
  verdict := 'closed';
end $$;

-- Ends a run: once; the same end again changes nothing.
create function belayer.close_run(p_run text, p_outcome jsonb, p_output_at text, p_steps int) returns void
language plpgsql as $$
declare r record; b record; event jsonb; c belayer.call; spent record;
begin
  -- Locked first, as by everyone: a claim that waits for it then sees that the run has ended.
  perform from belayer.pulse p where p.run_no = (select no from belayer.run where id = p_run) for update;
  update belayer.run set ended_at = clock_timestamp(), outcome = p_outcome, output_at = p_output_at, steps = p_steps
  where id = p_run and ended_at is null returning no into r;
  if not found then return; end if;
  update belayer.request set state = 'withdrawn', closed_at = clock_timestamp(), closed_by = 'belayer', closed_via = 'run'
  where run_no = r.no and state = 'open';
  delete from belayer.stop_flag where scope = 'run' and subject = p_run;
  -- What dead workers left under way is settled, or its reservation would stay for ever.
  for c in select * from belayer.call k where k.run_no = r.no and k.state = 'claimed' and k.reserved_micro_usd > 0 loop
    if c.kind = 'child' then
      select coalesce(sum(g.spent_micro_usd), 0)::bigint as micro_usd, coalesce(sum(g.spent_tokens), 0)::bigint as tokens into spent
      from belayer.run child join belayer.budget g on g.scope = 'run' and g.subject = child.no::text and g.starts_at is null
      where child.id = p_run || '/' || c.position;
      update belayer.budget g set reserved_micro_usd = g.reserved_micro_usd - c.reserved_micro_usd, spent_micro_usd = g.spent_micro_usd + spent.micro_usd,
        reserved_tokens = g.reserved_tokens - c.reserved_tokens, spent_tokens = g.spent_tokens + spent.tokens
      where g.scope = 'run' and g.subject = r.no::text and g.starts_at is null;
      insert into belayer.attempt (run_no, position, number, kind, name, worker, started_at, outcome, cost_micro_usd, reserved_micro_usd)
      values (r.no, c.position, c.attempt, 'child', c.name, c.worker, c.claimed_at, 'lost', spent.micro_usd, c.reserved_micro_usd)
      on conflict do nothing;
      update belayer.call k set state = 'open', reserved_micro_usd = 0, reserved_tokens = 0 where k.run_no = r.no and k.position = c.position;
    else
      perform belayer.give_up(c, 'lost');
    end if;
  end loop;
  select * into b from belayer.budget where scope = 'run' and subject = r.no::text and starts_at is null;
  event := jsonb_strip_nulls(jsonb_build_object('outcome', p_outcome->>'kind', 'because', p_outcome->>'because',
    'detail', coalesce(p_outcome->>'detail', p_outcome->'failure'->>'message'),
    'costMicroUsd', b.spent_micro_usd, 'tokens', b.spent_tokens, 'steps', p_steps));
  perform belayer.add_event(r.no, 'run.ended', null, event);
end $$;
`;
