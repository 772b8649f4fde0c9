/**
 * What humans say to runs: decisions, answers, messages.
 *
 * 1. A decision by Belayer's client is a row before it is sent: what was said, by whom, about which
 *    arguments. What came of it is written into the same row.
 * 2. A human's answer is the result of the call that it settles: the first result stays, and an
 *    attempt that comes back later changes nothing.
 * 3. What a person wrote is stored once, by content.
 */
export const humans = /* sql */ `
alter table belayer.request
  add column call text,
  add column about text,
  add column deciders text[],
  add column level int not null default 0,
  add column escalates jsonb,
  add column decision text,
  add column edited_hash text,
  add column edited_arguments text;

create table belayer.decision (
  run_no bigint not null references belayer.run on delete cascade,
  id text not null,
  position text not null,
  verdict text not null,
  by text not null,
  reason text,
  arguments_hash text not null,
  -- other arguments, or an answer, where the decision has one
  body text,
  body_hash text,
  made_at timestamptz not null default clock_timestamp(),
  -- null: it was not heard of again | taken | refused
  outcome text,
  refused text,
  primary key (run_no, id)
);

-- A person's messages, as the model sees them.
create table belayer.said (
  run_no bigint not null references belayer.run on delete cascade,
  hash text not null,
  body text not null,
  said_at timestamptz not null default clock_timestamp(),
  primary key (run_no, hash)
);

-- Calls in flight may end while a run is paused: it stays paused.
create or replace function belayer.advance(p_run_no bigint, p_events int, out number int, out watched boolean)
language sql as $$
  update belayer.pulse set events = events + p_events, state = case state when 'paused' then state else 'running' end
  where run_no = p_run_no
  returning events - p_events + 1, coalesce(watched_until > clock_timestamp(), false)
$$;

create or replace function belayer.chain_fragments(p_run_no bigint, p_chain int, p_from int, p_length int)
returns table (seq int, at text, body text)
language plpgsql stable as $$
declare parent record;
begin
  select * into parent from belayer.segment s where s.run_no = p_run_no and s.chain = p_chain;
  if found and p_from < parent.parent_length then
    return query select * from belayer.chain_fragments(parent.parent_run_no, parent.parent_chain, p_from, parent.parent_length);
  end if;
  return query
    select e.seq, e.at, coalesce(e.fragment, c.fragment, s.body,
      -- A message by raw update may name what nobody stored: the run goes on without it.
      case when starts_with(e.at, 'said/') then '{"role":"user","content":"[a message that is not on record]"}' end)
    from belayer.entry e
    left join belayer.call c on e.fragment is null and c.run_no = e.run_no and c.position = e.at
    left join belayer.said s on e.fragment is null and starts_with(e.at, 'said/') and s.run_no = e.run_no and s.hash = substr(e.at, 6)
    where e.run_no = p_run_no and e.chain = p_chain and e.seq >= p_from and e.seq < p_length
    order by e.seq;
end $$;

-- Something that happened to the run itself, once: told again because its commit was in doubt, it changes nothing.
create function belayer.note_event(p_run text, p_kind text, p_position text, p_body jsonb, p_state text) returns void
language plpgsql as $$
declare v_no bigint; last belayer.event;
begin
  select no into v_no from belayer.run where id = p_run;
  perform from belayer.pulse where run_no = v_no for update;
  select e.* into last from belayer.event e where e.run_no = v_no order by e.number desc limit 1;
  if last.kind = p_kind and last.body = p_body and last.position is not distinct from p_position then return; end if;
  perform belayer.add_event(v_no, p_kind, p_position, p_body);
  if p_state is not null then update belayer.pulse set state = p_state where run_no = v_no; end if;
end $$;

create function belayer.extend_budget(p_run text, p_number int, p_micro_usd bigint, p_tokens bigint, p_body jsonb) returns void
language plpgsql as $$
declare v_no bigint;
begin
  select no into v_no from belayer.run where id = p_run;
  perform from belayer.pulse where run_no = v_no for update;
  if exists (select from belayer.event where run_no = v_no and kind = 'run.extended' and (body->>'number')::int = p_number) then return; end if;
  update belayer.budget set ceiling_micro_usd = ceiling_micro_usd + p_micro_usd, ceiling_tokens = ceiling_tokens + p_tokens
  where scope = 'run' and subject = v_no::text and starts_at is null;
  perform belayer.add_event(v_no, 'run.extended', null, p_body || jsonb_build_object('number', p_number));
end $$;

-- The level above is asked: once.
create function belayer.escalate_request(p_run text, p_position text, p_deadline timestamptz, p_deciders text[]) returns void
language plpgsql as $$
declare v_no bigint; q belayer.request;
begin
  select no into v_no from belayer.run where id = p_run;
  perform from belayer.pulse where run_no = v_no for update;
  update belayer.request set level = 1, deadline = p_deadline, deciders = p_deciders
  where run_no = v_no and position = p_position and state = 'open' and level = 0 returning * into q;
  if not found then return; end if;
  perform belayer.add_event(v_no, 'request.escalated', p_position, jsonb_strip_nulls(jsonb_build_object(
    'request', q.kind, 'tool', q.tool, 'deciders', to_jsonb(p_deciders),
    'deadline', to_char(p_deadline at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'))));
end $$;

-- Closes a request with what was decided; the first decision stays. With p_answer, what a human knows becomes
-- the result of the call at p_call, whatever state its attempts left it in.
create function belayer.close_request(
  p_run text, p_position text, p_verdict text, p_by text, p_via text, p_reason text, p_decision text,
  p_edited_hash text, p_edited_arguments text,
  p_call text, p_tool text, p_request_hash text, p_answer json, p_fragment text, p_fragment_hash text, p_event jsonb,
  out state text, out answer json)
language plpgsql as $$
declare v_no bigint; c belayer.call; now_ timestamptz := clock_timestamp(); v_attempt int;
begin
  select no into v_no from belayer.run where id = p_run;
  perform from belayer.pulse where run_no = v_no for update;
  update belayer.request q set state = p_verdict, closed_at = now_, closed_by = p_by, closed_via = p_via, reason = p_reason,
    decision = p_decision, edited_hash = p_edited_hash, edited_arguments = p_edited_arguments
  where q.run_no = v_no and q.position = p_position and q.state = 'open';
  if not found then
    select q.state into state from belayer.request q where q.run_no = v_no and q.position = p_position;
    if p_answer is not null then
      select k.answer into answer from belayer.call k where k.run_no = v_no and k.position = p_call and k.state = 'done';
    end if;
    return;
  end if;
  state := p_verdict;
  if p_decision is not null then
    update belayer.decision d set outcome = 'taken' where d.run_no = v_no and d.id = p_decision;
  end if;
  perform belayer.add_event(v_no, 'request.closed', p_position, p_event);
  if p_answer is null then return; end if;
  select * into c from belayer.call k where k.run_no = v_no and k.position = p_call;
  if c.state = 'done' then answer := c.answer; return; end if;
  if c.state = 'claimed' then perform belayer.give_up(c, 'lost'); end if;
  v_attempt := coalesce(c.attempt, 0) + 1;
  insert into belayer.attempt (run_no, position, number, kind, name, worker, started_at, outcome, detail)
  values (v_no, p_call, v_attempt, 'tool', p_tool, 'human ' || p_by, now_, 'settled', p_reason)
  on conflict do nothing;
  if c.attempt is null then
    insert into belayer.call (run_no, position, kind, name, request_hash, state, attempt, worker, claimed_at, first_claimed_at, answer, fragment, fragment_hash)
    values (v_no, p_call, 'tool', p_tool, p_request_hash, 'done', v_attempt, 'human ' || p_by, now_, now_, p_answer, p_fragment, p_fragment_hash);
  else
    update belayer.call k set state = 'done', attempt = v_attempt, worker = 'human ' || p_by, answer = p_answer,
      fragment = p_fragment, fragment_hash = p_fragment_hash
    where k.run_no = v_no and k.position = p_call;
  end if;
  answer := p_answer;
  perform belayer.add_event(v_no, 'tool.finished', p_call,
    jsonb_build_object('tool', p_tool, 'status', 'ok', 'latencyMs', 0, 'attempt', v_attempt, 'by', p_by));
end $$;

-- A decision that does not count: on record, with the reason.
create function belayer.refuse_decision(p_run text, p_position text, p_decision text, p_by text, p_because text) returns void
language plpgsql as $$
declare v_no bigint;
begin
  select no into v_no from belayer.run where id = p_run;
  if p_decision is not null then
    update belayer.decision d set outcome = 'refused', refused = p_because
    where d.run_no = v_no and d.id = p_decision and d.outcome is null;
  end if;
  perform belayer.add_event(v_no, 'request.refused', p_position, jsonb_build_object('by', p_by, 'because', p_because));
end $$;
`;
