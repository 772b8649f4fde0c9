/**
 * The statements of `0002` to `0005` that move money, under budgets that many runs share: the second part of
 * `0010-budgets.ts`. In an installation without rules they do what they did, with one look at an empty table.
 */
export const settlements = /* sql */ `
create or replace function belayer.give_up(c belayer.call, p_outcome text) returns void
language plpgsql as $$
begin
  update belayer.call k set state = case c.kind when 'model' then 'open' else k.state end, reserved_micro_usd = 0, reserved_tokens = 0
  where k.run_no = c.run_no and k.position = c.position;
  insert into belayer.attempt (run_no, position, number, kind, name, worker, started_at, outcome, cost_micro_usd, reserved_micro_usd)
  values (c.run_no, c.position, c.attempt, c.kind, c.name, c.worker, c.claimed_at, p_outcome, c.reserved_micro_usd, c.reserved_micro_usd)
  on conflict do nothing;
  if c.reserved_micro_usd > 0 or c.reserved_tokens > 0 then
    perform belayer.settle(c.run_no, c.position, c.budgets, c.reserved_micro_usd, c.reserved_tokens, c.reserved_micro_usd, c.reserved_tokens);
  end if;
end $$;

-- The opening statement of a model call: append, check, reserve, claim.
create or replace function belayer.open_model_call(
  p_run text, p_position text, p_worker text, p_model text, p_request_hash text,
  p_chain int, p_from int, p_heads text[], p_ats text[], p_fragments text[],
  p_micro_usd bigint, p_tokens bigint, p_send_ms int, p_want_from int,
  out verdict text, out run_no bigint, out attempt int, out watched boolean, out answer json, out detail text, out fragments text[])
language plpgsql as $$
declare r record; c belayer.call; n int := coalesce(array_length(p_heads, 1), 0); written int; b record; now_ timestamptz := clock_timestamp();
  o record; has_rules boolean; v_windows bigint[]; v_run_rules bigint[]; refused jsonb; fit boolean;
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
  has_rules := exists (select from belayer.budget_rule);
  if has_rules then
    select * into o from belayer.open_windows(r.agent, r.customer);
    v_windows := o.windows; v_run_rules := o.run_rules;
  end if;
  if c.state = 'claimed' then
    -- Together with those that are needed now, or two such claims could each wait for the other's.
    if c.budgets is not null then perform belayer.lock_windows(c.budgets || v_windows); end if;
    perform belayer.give_up(c, 'lost');
  end if;
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

  -- Before the run's own row changes, which is the row that they narrow.
  if v_run_rules is not null then
    refused := belayer.refusing_budget(r.no, null, v_run_rules, p_micro_usd, p_tokens);
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
  if has_rules then
    fit := refused is null;
    if fit and v_windows is not null then fit := belayer.reserve_windows(v_windows, p_micro_usd, p_tokens); end if;
    if not fit then
      update belayer.budget g set reserved_micro_usd = g.reserved_micro_usd - p_micro_usd, reserved_tokens = g.reserved_tokens - p_tokens
      where g.scope = 'run' and g.subject = r.no::text and g.starts_at is null;
      refused := belayer.refusing_budget(r.no, v_windows, v_run_rules, p_micro_usd, p_tokens);
      verdict := 'budget'; answer := refused;
      if refused->>'policy' = 'wait' then
        insert into belayer.budget_wait as w (run_no, rule_id) values (r.no, (refused->>'rule')::bigint)
        on conflict on constraint budget_wait_pkey do update set rule_id = excluded.rule_id, wake_at = null, told_at = null;
        update belayer.pulse p set state = 'waiting' where p.run_no = r.no;
      end if;
      return;
    end if;
    delete from belayer.budget_wait w where w.run_no = r.no;
  end if;

  if c.attempt is null then
    attempt := 1;
    insert into belayer.call (run_no, position, kind, name, request_hash, state, attempt, worker, claimed_at, first_claimed_at, send_deadline, reserved_micro_usd, reserved_tokens, budgets)
    values (r.no, p_position, 'model', p_model, p_request_hash, 'claimed', 1, p_worker, now_, now_, now_ + p_send_ms * interval '1 ms', p_micro_usd, p_tokens, v_windows);
  else
    attempt := c.attempt + 1;
    update belayer.call k set state = 'claimed', attempt = c.attempt + 1, worker = p_worker, claimed_at = now_,
      send_deadline = now_ + p_send_ms * interval '1 ms', reserved_micro_usd = p_micro_usd, reserved_tokens = p_tokens, budgets = v_windows
    where k.run_no = r.no and k.position = p_position;
  end if;
  verdict := 'claimed';
end $$;

-- The closing statement of a model call: journal, reply, event, settlement. Windows are locked last, and briefly.
create or replace function belayer.close_model_call(
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
    input_tokens, cached_tokens, output_tokens, reasoning_tokens, price, first_token_ms, request_id, status,
    tier, choice, saved)
  values (p_run_no, p_position, p_attempt, 'model', c.name, p_worker, c.claimed_at, p_outcome, p_code, p_detail, p_retryable,
    j.latency_ms, p_cost, c.reserved_micro_usd, j.prompt_hash, j.prompt_bytes, j.prompt_head, j.chain, j.length, j.model, j.finish_reason,
    j.input_tokens, j.cached_tokens, j.output_tokens, j.reasoning_tokens, j.price, j.first_token_ms, j.request_id, j.status,
    j.tier, j.choice, j.saved);
  -- Another position's reply came to this place of the chain first: this one is journalled, and no more.
  taken := p_head is not null and exists (
    select from belayer.entry e where e.run_no = p_run_no and e.chain = p_chain and e.seq = p_seq);
  if p_answer is null or taken then
    update belayer.call set state = 'open', reserved_micro_usd = 0, reserved_tokens = 0
    where run_no = p_run_no and position = p_position;
  else
    update belayer.call k set state = 'done', reserved_micro_usd = 0, reserved_tokens = 0, answer = p_answer,
      fragment = p_fragment, fragment_hash = p_fragment_hash, output = p_output
    where k.run_no = p_run_no and k.position = p_position;
    -- A reply that is not taken is kept with its call, and no later prompt holds it.
    if p_head is not null then
      insert into belayer.entry (run_no, chain, seq, head, at) values (p_run_no, p_chain, p_seq, p_head, p_position);
    end if;
  end if;
  insert into belayer.event (run_no, number, kind, position, body)
  values (p_run_no, a.number, case when p_answer is null then 'model.failed' else 'model.replied' end, p_position, p_event);
  perform belayer.settle(p_run_no, p_position, c.budgets, c.reserved_micro_usd, c.reserved_tokens, p_cost, p_tokens);
  if a.watched then perform pg_notify('belayer_run_' || p_run_no, ''); end if;
  verdict := case when taken then 'conflict' else 'closed' end;
end $$;

create or replace function belayer.open_child(
  p_run text, p_position text, p_worker text, p_agent text, p_request_hash text, p_micro_usd bigint, p_tokens bigint,
  out verdict text, out run_no bigint, out micro_usd bigint, out tokens bigint, out answer json, out detail text, out customer text)
language plpgsql as $$
declare r record; c belayer.call; b record; under record; now_ timestamptz := clock_timestamp();
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
  -- Rules per run narrow what there is to carve from. Windows are for the child's own calls.
  select min(u.ceiling_micro_usd) as micro_usd, min(u.ceiling_tokens) as tokens into under
  from belayer.rules_for(r.agent, r.customer) u where u.period = 'run';
  micro_usd := least(p_micro_usd, least(b.ceiling_micro_usd, under.micro_usd + b.raised_micro_usd) - b.spent_micro_usd - b.reserved_micro_usd);
  tokens := least(p_tokens, least(b.ceiling_tokens, under.tokens + b.raised_tokens) - b.spent_tokens - b.reserved_tokens);
  if micro_usd <= 0 or tokens <= 0 then verdict := 'budget'; return; end if;
  update belayer.budget g set reserved_micro_usd = g.reserved_micro_usd + open_child.micro_usd, reserved_tokens = g.reserved_tokens + open_child.tokens
  where g.id = b.id;
  insert into belayer.call (run_no, position, kind, name, request_hash, state, attempt, worker, claimed_at, first_claimed_at, reserved_micro_usd, reserved_tokens)
  values (r.no, p_position, 'child', p_agent, p_request_hash, 'claimed', 1, p_worker, now_, now_, open_child.micro_usd, open_child.tokens);
  perform belayer.add_event(r.no, 'child.started', p_position, jsonb_build_object('child', p_run || '/' || p_position));
  verdict := 'opened';
end $$;

create or replace function belayer.close_run(p_run text, p_outcome jsonb, p_output_at text, p_steps int) returns void
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
  delete from belayer.budget_wait w where w.run_no = r.no;
  delete from belayer.stop_flag where scope = 'run' and subject = p_run;
  perform belayer.lock_windows((select array_agg(w) from belayer.call k, unnest(k.budgets) w
    where k.run_no = r.no and k.state = 'claimed'));
  -- What dead workers left under way is settled, or its reservation would stay for ever.
  for c in select * from belayer.call k where k.run_no = r.no and k.state = 'claimed' and (k.reserved_micro_usd > 0 or k.reserved_tokens > 0) loop
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

create or replace function belayer.force_close(p_run text, p_detail text, out closed boolean, out outcome jsonb, out unknown text[])
language plpgsql as $$
declare v_no bigint; v_ended timestamptz; c belayer.call;
begin
  select r.no into v_no from belayer.run r where r.id = p_run;
  perform from belayer.pulse p where p.run_no = v_no for update;
  select r.ended_at into v_ended from belayer.run r where r.no = v_no;
  closed := v_ended is null;
  if closed then
    perform belayer.lock_windows((select array_agg(w) from belayer.call k, unnest(k.budgets) w
      where k.run_no = v_no and k.state = 'claimed'));
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
      -- A step's repairs, fallbacks and larger models serve it, and are no steps.
      null, (select count(distinct split_part(k.position, '/', 1))::int from belayer.call k
        where k.run_no = v_no and k.kind = 'model' and k.state = 'done'));
  end if;
  select r.outcome into outcome from belayer.run r where r.no = v_no;
end $$;

create or replace function belayer.add_event(p_run_no bigint, p_kind text, p_position text, p_body jsonb) returns void
language plpgsql as $$
declare a record;
begin
  if p_kind in ('run.stuck', 'run.unstuck', 'budget.reconciled') then
    update belayer.pulse set events = events + 1 where run_no = p_run_no
    returning events as number, coalesce(watched_until > clock_timestamp(), false) as watched into a;
  else
    select * into a from belayer.advance(p_run_no, 1);
  end if;
  insert into belayer.event (run_no, number, kind, position, body)
  values (p_run_no, a.number, p_kind, p_position, p_body);
  -- By closed_at and not by state, or the planner may read all of announcement_due for the rows of one run.
  case p_kind
    when 'request.opened', 'request.escalated', 'run.stuck', 'budget.threshold' then
      insert into belayer.announcement (run_no, number, channel, kind, position)
      select p_run_no, a.number, c, p_kind, p_position from unnest(array['webhook', 'mail']) c;
    when 'request.closed' then
      update belayer.announcement set state = 'withdrawn', closed_at = clock_timestamp()
      where run_no = p_run_no and position = p_position and closed_at is null and kind <> 'budget.threshold';
    when 'run.unstuck' then
      update belayer.announcement set state = 'withdrawn', closed_at = clock_timestamp()
      where run_no = p_run_no and kind = 'run.stuck' and closed_at is null;
    when 'run.ended' then
      update belayer.announcement set state = 'withdrawn', closed_at = clock_timestamp()
      -- What was said of a shared budget stays true.
      where run_no = p_run_no and closed_at is null and kind <> 'budget.threshold';
    else null;
  end case;
  if a.watched then perform pg_notify('belayer_run_' || p_run_no, ''); end if;
end $$;
`;
