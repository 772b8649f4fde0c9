/**
 * Histories that Belayer keeps itself, and runs of other installations.
 *
 * 1. Temporal forgets closed executions after its retention; `history` holds them for as long as the
 *    recordings of runs are kept. A row is found by number and checked by its hash when it is read.
 * 2. `archive` says what is still to be fetched. A run that ends makes itself due, in its own transaction.
 * 3. A run of another installation has ended, as far as this one is concerned: whatever claims, sweeps,
 *    halts or looks for stuck runs leaves it alone for that alone. What it was is in `imported`.
 */
export const recordings = /* sql */ `
create table belayer.history (
  run_no bigint not null references belayer.run on delete cascade,
  -- 1 is the first execution
  number int not null,
  -- Temporal's run id
  execution text not null,
  -- how it closed: continued | ended; open in a run that was exported before it ended
  closed text not null,
  events int not null,
  -- of the history's JSON, before it was compressed
  bytes int not null,
  sha256 text not null,
  body bytea not null,
  archived_at timestamptz not null default clock_timestamp(),
  primary key (run_no, number)
);
-- It is compressed already.
alter table belayer.history alter column body set storage external;

create table belayer.archive (
  run_no bigint primary key references belayer.run on delete cascade,
  -- when it is looked at next; null: nothing is known to be missing
  due_at timestamptz,
  attempts int not null default 0,
  -- the last execution is here as well
  complete boolean not null default false,
  error text,
  ended_at timestamptz,
  -- when the histories were deleted, and after how many days
  removed_at timestamptz,
  removed_days int
);
create index archive_due on belayer.archive (due_at) where due_at is not null;
create index archive_old on belayer.archive (ended_at) where removed_at is null and ended_at is not null;

-- How far Temporal's list of continued executions has been read. One for the installation.
create table belayer.archive_round (
  name text primary key,
  listed_at timestamptz not null default '-infinity',
  seen_until timestamptz not null default '-infinity'
);
insert into belayer.archive_round (name) values ('continued');

create function belayer.archive_ended_run() returns trigger
language plpgsql as $$
begin
  insert into belayer.archive (run_no, due_at, ended_at)
  values (new.no, clock_timestamp() + interval '1 second', new.ended_at)
  on conflict (run_no) do update set due_at = excluded.due_at, ended_at = excluded.ended_at, attempts = 0;
  return null;
end $$;
create trigger run_ended after update of ended_at on belayer.run
for each row when (old.ended_at is null and new.ended_at is not null) execute function belayer.archive_ended_run();

insert into belayer.archive (run_no, due_at, ended_at)
select no, clock_timestamp(), ended_at from belayer.run where ended_at is not null;

create table belayer.imported (
  run_no bigint primary key references belayer.run on delete cascade,
  -- of the whole file: the same file again is the same recording
  recording text not null,
  imported_at timestamptz not null default clock_timestamp(),
  imported_by text not null,
  exported_at timestamptz not null,
  -- the key where it ran: here it stands for nothing
  key text,
  -- it had not ended when it was exported
  was_open boolean not null,
  redactions jsonb not null,
  -- what does not hash any more, because something of it was redacted
  void jsonb not null
);
`;
