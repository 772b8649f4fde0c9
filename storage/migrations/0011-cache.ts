/**
 * Kept replies and results, and who is making one.
 *
 * 1. An entry is read without writing anything: hits are counted in the worker's memory and come in batches.
 * 2. A key has at most one lease that has not run out, so equal calls are made once. An entry is stored, and its
 *    lease ended, in one transaction, and only by who holds the lease: a maker that was frozen meanwhile stores nothing.
 * 3. Nothing of a run rests on these tables: what a hit gave is recorded in the run as its own. They are unlogged, so
 *    that a crash of the database empties them, and no byte of them is written twice.
 */
export const cache = /* sql */ `
-- The clock of the cache. One function, so that whoever moves time moves it here.
create function belayer.cache_now() returns timestamptz language sql volatile as $$ select clock_timestamp() $$;

create unlogged table belayer.cache_entry (
  scope text not null,
  -- SHA-256 of the prompt's bytes, or of what names a tool's call
  key text not null,
  -- prompt | tool
  kind text not null,
  -- of the run that made it; '' where there is none
  agent text not null,
  tool text not null,
  customer text not null,
  body text not null,
  -- what the journal says of the reply: {model, finishReason, tokens}, or of the result: {tookMs}
  about jsonb not null,
  -- with what the row takes besides
  bytes int not null,
  cost_micro_usd bigint not null,
  run text not null,
  position text not null,
  created_at timestamptz not null,
  expires_at timestamptz not null,
  -- the last hit that was counted, or when it was made
  hit_at timestamptz not null,
  hits bigint not null default 0,
  primary key (scope, key)
);
create index cache_entry_oldest on belayer.cache_entry (hit_at) include (bytes);
create index cache_entry_expires on belayer.cache_entry (expires_at);

-- Who is making an entry. Apart from it, since it is renewed while it lasts.
create unlogged table belayer.cache_lease (
  scope text not null,
  key text not null,
  -- the execution that makes it
  holder text not null,
  -- its run and position: another execution of the same call takes over from one that is dead, or that moved
  call text not null,
  agent text not null,
  tool text not null,
  customer text not null,
  until timestamptz not null,
  -- somebody waits, and is to be told
  followed boolean not null default false,
  -- what is made here is too large to be kept: nobody waits for it
  alone boolean not null default false,
  primary key (scope, key)
) with (fillfactor = 50);

-- hit: the entry | lead: the caller holds the lease | follow: somebody else does | alone: make it, and keep nothing.
create function belayer.cache_take(p_scope text, p_key text, p_for_ms bigint, p_holder text, p_call text,
  p_agent text, p_tool text, p_customer text, p_lease_ms int,
  out verdict text, out body text, out about jsonb, out cost_micro_usd bigint, out run text, out "position" text, out made_at timestamptz)
language plpgsql as $$
declare now_ timestamptz := belayer.cache_now(); e record; l record;
begin
  for i in 1..2 loop
    select * into e from belayer.cache_entry c where c.scope = p_scope and c.key = p_key
      and c.expires_at > now_ and c.created_at > now_ - p_for_ms * interval '1 ms';
    if found then
      -- It was stored while the lease was waited for.
      if i = 2 then delete from belayer.cache_lease c where c.scope = p_scope and c.key = p_key and c.holder = p_holder; end if;
      verdict := 'hit'; body := e.body; about := e.about; cost_micro_usd := e.cost_micro_usd;
      run := e.run; "position" := e.position; made_at := e.created_at;
      return;
    end if;
    exit when i = 2;
    select * into l from belayer.cache_lease c where c.scope = p_scope and c.key = p_key;
    if not found or l.until <= now_ or (l.call = p_call and not l.alone) then
      insert into belayer.cache_lease as c (scope, key, holder, call, agent, tool, customer, until)
      values (p_scope, p_key, p_holder, p_call, p_agent, p_tool, p_customer, now_ + p_lease_ms * interval '1 ms')
      -- Looked at again: of many that see a lease run out, one takes it.
      on conflict (scope, key) do update set holder = p_holder, call = p_call, agent = p_agent, tool = p_tool,
        customer = p_customer, until = now_ + p_lease_ms * interval '1 ms', alone = false
      where c.until <= now_ or (c.call = p_call and not c.alone);
      continue when found;
      select * into l from belayer.cache_lease c where c.scope = p_scope and c.key = p_key;
    end if;
    if l.alone then verdict := 'alone'; return; end if;
    if not l.followed then
      update belayer.cache_lease c set followed = true where c.scope = p_scope and c.key = p_key;
    end if;
    verdict := 'follow';
    return;
  end loop;
  verdict := 'lead';
end $$;

-- Stores what was made and ends the lease. p_holder null: made without one. False: the lease is another's by now.
create function belayer.cache_keep(p_scope text, p_key text, p_holder text, p_kind text, p_agent text, p_tool text, p_customer text,
  p_body text, p_about jsonb, p_bytes int, p_cost bigint, p_run text, p_position text, p_for_ms bigint) returns boolean
language plpgsql as $$
declare now_ timestamptz := belayer.cache_now(); v_followed boolean := false;
begin
  if p_holder is not null then
    delete from belayer.cache_lease c where c.scope = p_scope and c.key = p_key and c.holder = p_holder returning c.followed into v_followed;
    if not found then return false; end if;
  end if;
  insert into belayer.cache_entry as c (scope, key, kind, agent, tool, customer, body, about, bytes, cost_micro_usd, run, position, created_at, expires_at, hit_at)
  values (p_scope, p_key, p_kind, p_agent, p_tool, p_customer, p_body, p_about, p_bytes, p_cost, p_run, p_position, now_, now_ + p_for_ms * interval '1 ms', now_)
  on conflict (scope, key) do update set kind = p_kind, agent = p_agent, tool = p_tool, customer = p_customer, body = p_body,
    about = p_about, bytes = p_bytes, cost_micro_usd = p_cost, run = p_run, position = p_position,
    created_at = now_, expires_at = now_ + p_for_ms * interval '1 ms', hit_at = now_, hits = 0;
  if v_followed then perform pg_notify('belayer_cache', p_key); end if;
  return true;
end $$;

-- Ends a lease without an entry, so that one of those who wait takes over. p_alone_ms: nobody is to wait for so long.
create function belayer.cache_release(p_scope text, p_key text, p_holder text, p_alone_ms int) returns void
language plpgsql as $$
declare l record;
begin
  select * into l from belayer.cache_lease c where c.scope = p_scope and c.key = p_key and c.holder = p_holder for update;
  if not found then return; end if;
  if p_alone_ms is null then
    delete from belayer.cache_lease c where c.scope = p_scope and c.key = p_key;
  else
    update belayer.cache_lease c set alone = true, followed = false, holder = '', until = belayer.cache_now() + p_alone_ms * interval '1 ms'
    where c.scope = p_scope and c.key = p_key;
  end if;
  if l.followed then perform pg_notify('belayer_cache', p_key); end if;
end $$;

-- Of a worker's leases, all at once. One that another took over meanwhile stays that one's.
create function belayer.cache_renew(p_scopes text[], p_keys text[], p_holders text[], p_lease_ms int) returns void
language sql as $$
  with held as (
    select c.scope, c.key from belayer.cache_lease c
    join unnest(p_scopes, p_keys, p_holders) u(scope, key, holder) on u.scope = c.scope and u.key = c.key and u.holder = c.holder
    for update of c skip locked)
  update belayer.cache_lease c set until = belayer.cache_now() + p_lease_ms * interval '1 ms'
  from held where c.scope = held.scope and c.key = held.key
$$;

-- Of what a worker's calls wait for: the keys that nobody is making any more.
create function belayer.cache_ended(p_scopes text[], p_keys text[]) returns setof text
language sql as $$
  select u.key from unnest(p_scopes, p_keys) u(scope, key)
  where not exists (select from belayer.cache_lease c where c.scope = u.scope and c.key = u.key
    and c.until > belayer.cache_now() and not c.alone)
$$;

-- Hits of a worker since it last said. An entry that is just being changed is counted the next time, by somebody else.
create function belayer.cache_count_hits(p_scopes text[], p_keys text[], p_hits int[]) returns void
language sql as $$
  with hit as (
    select c.scope, c.key, u.hits from belayer.cache_entry c
    join unnest(p_scopes, p_keys, p_hits) u(scope, key, hits) on u.scope = c.scope and u.key = c.key
    for update of c skip locked)
  update belayer.cache_entry c set hits = c.hits + hit.hits, hit_at = belayer.cache_now()
  from hit where c.scope = hit.scope and c.key = hit.key
$$;

-- One batch of the sweep: what has expired, and then what was not hit for the longest, until all fits. more: there is
-- another batch to do. Where another worker sweeps, nothing.
create function belayer.cache_sweep(p_bytes_max bigint, p_rows int, out removed int, out more boolean)
language plpgsql as $$
declare now_ timestamptz := belayer.cache_now(); excess bigint;
begin
  removed := 0; more := false;
  if not pg_try_advisory_xact_lock(6004520) then return; end if;
  -- Of makers that died while nobody waited.
  delete from belayer.cache_lease c where c.until < now_ - interval '1 minute';
  delete from belayer.cache_entry c using (
    select scope, key from belayer.cache_entry where expires_at <= now_ limit p_rows for update skip locked) x
  where c.scope = x.scope and c.key = x.key;
  get diagnostics removed = row_count;
  if removed = p_rows then more := true; return; end if;
  select coalesce(sum(bytes), 0) - p_bytes_max into excess from belayer.cache_entry;
  if excess <= 0 then return; end if;
  delete from belayer.cache_entry c using (
    select o.scope, o.key, sum(o.bytes) over (order by o.hit_at, o.scope, o.key) - o.bytes as before
    from (select scope, key, bytes, hit_at from belayer.cache_entry order by hit_at limit p_rows for update skip locked) o) x
  where c.scope = x.scope and c.key = x.key and x.before < excess;
  get diagnostics removed = row_count;
  more := removed = p_rows;
end $$;

-- What a tool's attempt was answered with is journalled as that of a model is. Older workers still call it without.
do $do$
declare
  source text := pg_get_functiondef('belayer.record_read'::regproc);
  changed text := source;
begin
  changed := replace(changed, 'p_event jsonb, OUT verdict', 'p_event jsonb, p_choice text DEFAULT NULL, p_saved jsonb DEFAULT NULL, OUT verdict');
  changed := replace(changed, 'retryable, latency_ms, cost_micro_usd)', 'retryable, latency_ms, cost_micro_usd, choice, saved)');
  changed := replace(changed, 'p_retryable, p_latency_ms, p_cost);', 'p_retryable, p_latency_ms, p_cost, p_choice, p_saved);');
  if position('p_saved jsonb DEFAULT' in changed) = 0 or position('choice, saved)' in changed) = 0 or position('p_cost, p_choice, p_saved)' in changed) = 0 then
    raise exception 'record_read does not journal where it is expected to';
  end if;
  drop function belayer.record_read;
  execute changed;
end $do$;

-- A call that reserves nothing spends nothing: it fits even where a budget is over its ceiling, by what a tool reported.
do $do$
declare
  source text := pg_get_functiondef('belayer.reserve_windows'::regproc);
  changed text := replace(source, 'if not fit then return false; end if;',
    'if not fit and (p_micro_usd > 0 or p_tokens > 0) then return false; end if;');
  source_ text := pg_get_functiondef('belayer.refusing_budget'::regproc);
  changed_ text := replace(source_,
    'where u.spent_micro_usd + u.reserved_micro_usd + p_micro_usd > u.usd or u.spent_tokens + u.reserved_tokens + p_tokens > u.tokens',
    'where (p_micro_usd > 0 or p_tokens > 0)
    and (u.spent_micro_usd + u.reserved_micro_usd + p_micro_usd > u.usd or u.spent_tokens + u.reserved_tokens + p_tokens > u.tokens)');
begin
  if changed = source or changed_ = source_ then raise exception 'budgets do not judge a reservation where it is expected'; end if;
  execute changed;
  execute changed_;
end $do$;
`;
