/**
 * What is told to people who do not watch, and which runs make no progress.
 *
 * 1. An announcement is written in the transaction of its event, one row per channel: what happened is
 *    never announced without having happened, nor the other way round.
 * 2. A row is taken with a lease: what a killed announcer held comes back. So it is sent at least once.
 * 3. A finding about a run that stands still becomes one event, whoever else finds it: the pulse row is
 *    locked, and a run that moved since the look is not spoken of.
 * 4. What is said about a run does not change its state: one that has not begun is still to be started.
 */
export const announcements = /* sql */ `
create table belayer.announcement (
  run_no bigint not null references belayer.run on delete cascade,
  -- of the event
  number int not null,
  -- webhook | mail
  channel text not null,
  kind text not null,
  position text,
  -- due | sent | failed | withdrawn
  state text not null default 'due',
  created_at timestamptz not null default clock_timestamp(),
  -- of a row that is being sent: when another may take it
  next_at timestamptz not null default clock_timestamp(),
  attempts int not null default 0,
  first_tried_at timestamptz,
  closed_at timestamptz,
  error text,
  primary key (run_no, number, channel)
);
create index announcement_due on belayer.announcement (channel, next_at) where state = 'due';
create index announcement_old on belayer.announcement (created_at);

create or replace function belayer.add_event(p_run_no bigint, p_kind text, p_position text, p_body jsonb) returns void
language plpgsql as $$
declare a record;
begin
  if p_kind in ('run.stuck', 'run.unstuck') then
    update belayer.pulse set events = events + 1 where run_no = p_run_no
    returning events as number, coalesce(watched_until > clock_timestamp(), false) as watched into a;
  else
    select * into a from belayer.advance(p_run_no, 1);
  end if;
  insert into belayer.event (run_no, number, kind, position, body)
  values (p_run_no, a.number, p_kind, p_position, p_body);
  -- By closed_at and not by state, or the planner may read all of announcement_due for the rows of one run.
  case p_kind
    when 'request.opened', 'request.escalated', 'run.stuck' then
      insert into belayer.announcement (run_no, number, channel, kind, position)
      select p_run_no, a.number, c, p_kind, p_position from unnest(array['webhook', 'mail']) c;
    when 'request.closed' then
      update belayer.announcement set state = 'withdrawn', closed_at = clock_timestamp()
      where run_no = p_run_no and position = p_position and closed_at is null;
    when 'run.unstuck' then
      update belayer.announcement set state = 'withdrawn', closed_at = clock_timestamp()
      where run_no = p_run_no and kind = 'run.stuck' and closed_at is null;
    when 'run.ended' then
      update belayer.announcement set state = 'withdrawn', closed_at = clock_timestamp()
      where run_no = p_run_no and closed_at is null;
    else null;
  end case;
  if a.watched then perform pg_notify('belayer_run_' || p_run_no, ''); end if;
end $$;

create table belayer.stuck (
  run_no bigint primary key references belayer.run on delete cascade,
  -- parked | no-worker | dead | silent
  finding text not null,
  detail text not null,
  -- when the run last moved
  since timestamptz not null,
  seen_at timestamptz not null default clock_timestamp(),
  -- the run's events when it was spoken of: with more of them, it moves again
  events int not null,
  said text not null,
  said_at timestamptz not null default clock_timestamp()
);

-- Where the look at all open runs is. One for the installation, so that more workers do not mean more looks.
create table belayer.stuck_round (
  name text primary key,
  begun_at timestamptz not null default '-infinity',
  cursor bigint not null default 0
);
insert into belayer.stuck_round (name) values ('silent');

create function belayer.suspect(p_no bigint, p_events int, p_state text, p_since timestamptz) returns jsonb
language sql stable as $$
  select jsonb_build_object('no', r.no, 'run', r.id, 'agent', r.agent, 'customer', r.customer, 'events', p_events,
    'state', p_state, 'since', p_since,
    'waitsFor', case when n.kind = 'run.waiting' then n.body->>'detail' end)
  from belayer.run r
  left join lateral (select e.kind, e.body from belayer.event e
    where e.run_no = r.no and e.kind not in ('run.stuck', 'run.unstuck') order by e.number desc limit 1) n on true
  where r.no = p_no
$$;

-- Open runs after p_after that were silent for p_silent_ms and wait for nothing declared: p_rows are read, p_asks
-- given. last: where the next read begins; 0 at the end. p_known: those that were found before as well.
create function belayer.silent_runs(p_after bigint, p_silent_ms bigint, p_rows int, p_asks int, p_known boolean,
  out last bigint, out suspects jsonb)
language sql stable as $$
  with batch as materialized (
    select r.no from belayer.run r where r.ended_at is null and r.no > p_after order by r.no limit p_rows),
  silent as materialized (
    select b.no, p.events, p.state, case when s.events = p.events then s.since else e.at end as since
    from batch b
    join belayer.pulse p on p.run_no = b.no
    join belayer.event e on e.run_no = b.no and e.number = p.events
    left join belayer.stuck s on s.run_no = b.no
    where p.state not in ('paused', 'waiting') and (p_known or s.run_no is null)
      and case when s.events = p.events then s.since else e.at end < clock_timestamp() - p_silent_ms * interval '1 ms'
      -- One that is open long after its deadline is waited for by nobody.
      and not exists (select from belayer.request q where q.run_no = b.no and q.state = 'open'
        and q.deadline > clock_timestamp() - p_silent_ms * interval '1 ms')
    order by b.no limit p_asks)
  select
    case when (select count(*) from silent) = p_asks then (select max(no) from silent)
      when (select count(*) from batch) = p_rows then (select max(no) from batch)
      else 0 end,
    coalesce((select jsonb_agg(belayer.suspect(s.no, s.events, s.state, s.since) order by s.no) from silent s), '[]')
$$;

-- The next batch of the installation's round; a new round begins p_every_ms after the last began.
create function belayer.take_silent(p_silent_ms bigint, p_rows int, p_asks int, p_every_ms int,
  out more boolean, out suspects jsonb)
language plpgsql as $$
declare t record; s record;
begin
  more := false;
  suspects := '[]';
  select * into t from belayer.stuck_round where name = 'silent' for update skip locked;
  if not found or (t.cursor = 0 and t.begun_at > clock_timestamp() - p_every_ms * interval '1 ms') then return; end if;
  select * into s from belayer.silent_runs(t.cursor, p_silent_ms, p_rows, p_asks, false);
  update belayer.stuck_round set cursor = s.last,
    begun_at = case when t.cursor = 0 then clock_timestamp() else t.begun_at end
  where name = 'silent';
  more := s.last <> 0;
  suspects := s.suspects;
end $$;

-- Runs that were found, to be looked at again, least recently seen first.
create function belayer.take_stuck(p_every_ms int, p_limit int) returns jsonb
language sql as $$
  with taken as (
    update belayer.stuck set seen_at = clock_timestamp() where run_no in (
      select s.run_no from belayer.stuck s where s.seen_at < clock_timestamp() - p_every_ms * interval '1 ms'
      order by s.seen_at limit p_limit for update skip locked)
    returning run_no, since)
  select coalesce(jsonb_agg(belayer.suspect(t.run_no, p.events, p.state, t.since)), '[]')
  from taken t join belayer.pulse p on p.run_no = t.run_no
$$;

-- Records a finding: new | known | moved. Another finding about the same run is said p_again_ms after the last.
-- More than p_told_max an hour are not announced: one faulty deployment would fill a mailbox with what one mail says.
-- Nor is, within p_same_ms, what was sent before about the same run: a finding may come and go with each try of a call.
create function belayer.note_stuck(p_run_no bigint, p_events int, p_finding text, p_detail text, p_since timestamptz, p_again_ms bigint, p_told_max int, p_same_ms bigint)
returns text
language plpgsql as $$
declare v_events int; s belayer.stuck;
begin
  select p.events into v_events from belayer.pulse p where p.run_no = p_run_no for update;
  if v_events is distinct from p_events or exists (select from belayer.run r where r.no = p_run_no and r.ended_at is not null) then
    return 'moved';
  end if;
  select * into s from belayer.stuck k where k.run_no = p_run_no;
  if found and (s.said = p_finding or s.said_at > clock_timestamp() - p_again_ms * interval '1 ms') then
    update belayer.stuck set finding = p_finding, detail = p_detail, seen_at = clock_timestamp() where run_no = p_run_no;
    return 'known';
  end if;
  insert into belayer.stuck as k (run_no, finding, detail, since, events, said)
  values (p_run_no, p_finding, p_detail, p_since, v_events + 1, p_finding)
  on conflict (run_no) do update set finding = p_finding, detail = p_detail, events = v_events + 1, said = p_finding,
    seen_at = clock_timestamp(), said_at = clock_timestamp();
  perform belayer.add_event(p_run_no, 'run.stuck', null,
    jsonb_build_object('finding', p_finding, 'detail', p_detail, 'since', to_char(p_since at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')));
  update belayer.announcement set state = 'withdrawn', closed_at = clock_timestamp(),
    error = 'more than ' || p_told_max || ' runs became stuck within an hour: see belayer stuck'
  where run_no = p_run_no and kind = 'run.stuck' and closed_at is null and p_told_max < (
    select count(*) from (select from belayer.announcement t where t.created_at > now() - interval '1 hour'
      and t.kind = 'run.stuck' and t.channel = 'webhook' and t.state <> 'withdrawn' limit p_told_max + 1) told);
  update belayer.announcement a set state = 'withdrawn', closed_at = clock_timestamp(),
    error = 'the same was told about this run ' || p_same_ms / 60000 || ' minutes ago or less'
  where a.run_no = p_run_no and a.kind = 'run.stuck' and a.closed_at is null and exists (
    select from belayer.announcement t join belayer.event e on e.run_no = t.run_no and e.number = t.number
    where t.run_no = p_run_no and t.kind = 'run.stuck' and t.channel = a.channel and t.state = 'sent'
      and t.closed_at > clock_timestamp() - p_same_ms * interval '1 ms' and e.body->>'finding' = p_finding);
  return 'new';
end $$;

-- A look found nothing wrong any more.
create function belayer.clear_stuck(p_run_no bigint, p_events int) returns boolean
language plpgsql as $$
begin
  perform from belayer.pulse p where p.run_no = p_run_no and p.events = p_events for update;
  if not found then return false; end if;
  delete from belayer.stuck where run_no = p_run_no;
  if not found then return false; end if;
  perform belayer.add_event(p_run_no, 'run.unstuck', null, '{}');
  return true;
end $$;

-- Runs that were found and have moved or ended since.
create function belayer.clear_moved(p_limit int) returns int
language plpgsql as $$
declare m record; cleared int := 0;
begin
  for m in
    select s.run_no, r.ended_at from belayer.stuck s
    join belayer.run r on r.no = s.run_no join belayer.pulse p on p.run_no = s.run_no
    where r.ended_at is not null or p.events <> s.events
    limit p_limit for update of p skip locked
  loop
    delete from belayer.stuck where run_no = m.run_no;
    if found and m.ended_at is null then perform belayer.add_event(m.run_no, 'run.unstuck', null, '{}'); end if;
    cleared := cleared + 1;
  end loop;
  return cleared;
end $$;
`;
