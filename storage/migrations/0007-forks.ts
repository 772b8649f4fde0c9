/**
 * Runs that share another's recording up to a position.
 *
 * 1. What a fork shares is cited, never copied: its chain 0 goes on from a chain of its parent (`segment`).
 *    Only what the parent had not put into a chain yet, results of the last step, is copied as calls.
 * 2. `fork` holds what its workflow is started with, so that a fork whose starter died is started all the same.
 * 3. What an edit says in a model's place is in `given`: taken once, by the call at that position.
 */
export const forks = /* sql */ `
alter table belayer.run
  -- the run that it shares its beginning with
  add column fork_of text,
  -- the position as it was asked for
  add column fork_at text,
  -- by, reason, the edit in short, and the workflow's input
  add column fork jsonb;
create index run_forks on belayer.run (fork_of) where fork_of is not null;

-- Replies that are given, not asked for.
create table belayer.given (
  run_no bigint not null references belayer.run on delete cascade,
  position text not null,
  -- the message that the transcript will hold, byte for byte
  body text not null,
  primary key (run_no, position)
);

-- As chain_fragments, with each message's head.
create function belayer.chain_entries(p_run_no bigint, p_chain int, p_from int, p_length int)
returns table (seq int, head text, at text, body text)
language plpgsql stable as $$
declare parent record;
begin
  select * into parent from belayer.segment s where s.run_no = p_run_no and s.chain = p_chain;
  if found and p_from < parent.parent_length then
    return query select * from belayer.chain_entries(parent.parent_run_no, parent.parent_chain, p_from, least(p_length, parent.parent_length));
  end if;
  return query
    select e.seq, e.head, e.at, coalesce(e.fragment, c.fragment, s.body)
    from belayer.entry e
    left join belayer.call c on e.fragment is null and c.run_no = e.run_no and c.position = e.at
    left join belayer.said s on e.fragment is null and starts_with(e.at, 'said/') and s.run_no = e.run_no and s.hash = substr(e.at, 6)
    where e.run_no = p_run_no and e.chain = p_chain and e.seq >= p_from and e.seq < p_length
    order by e.seq;
end $$;

-- Writes the row of a fork, unique in (agent, customer, key) as that of any run. What it shares is written by the same transaction.
create function belayer.fork_run(
  p_id text, p_agent text, p_customer text, p_key text, p_definition text, p_input_hash text, p_options jsonb,
  p_of text, p_at text, p_fork jsonb, p_micro_usd bigint, p_tokens bigint, p_event jsonb,
  out verdict text, out run text, out run_no bigint)
language plpgsql as $$
declare existing record; stopped jsonb;
begin
  perform pg_advisory_xact_lock_shared(6004510);
  stopped := belayer.start_stopped_by(p_id, p_agent, p_customer, null);
  for i in 1..2 loop
    if stopped is null then
      insert into belayer.run (id, agent, customer, key, definition, input_hash, options, fork_of, fork_at, fork)
      values (p_id, p_agent, p_customer, p_key, p_definition, p_input_hash, p_options, p_of, p_at, p_fork)
      on conflict do nothing returning no into run_no;
      exit when run_no is not null;
    end if;
    select r.no, r.id, r.input_hash, r.created_at into existing from belayer.run r
    where p_key is not null and r.agent = p_agent and r.customer = p_customer and r.key = p_key;
    if stopped is not null and (not found or existing.created_at < clock_timestamp() - interval '30 days') then
      raise exception 'A stop flag covers the start: %', stopped->>'reason' using errcode = 'BL001', detail = stopped::text;
    end if;
    if existing.created_at < clock_timestamp() - interval '30 days' then
      update belayer.run set key = null where no = existing.no;
      continue;
    end if;
    run := existing.id;
    verdict := case when existing.input_hash = p_input_hash then 'existing' else 'key-reused' end;
    return;
  end loop;
  insert into belayer.pulse (run_no, events) values (fork_run.run_no, 2);
  insert into belayer.budget (scope, subject, ceiling_micro_usd, ceiling_tokens)
  values ('run', fork_run.run_no::text, p_micro_usd, p_tokens);
  insert into belayer.event (run_no, number, kind, position, body) values
    (fork_run.run_no, 1, 'run.started', null, jsonb_strip_nulls(jsonb_build_object('agent', p_agent, 'customer', nullif(p_customer, '')))),
    (fork_run.run_no, 2, 'run.forked', p_at, p_event);
  run := p_id;
  verdict := 'started';
end $$;
`;
