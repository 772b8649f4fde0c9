/**
 * The tables of a run.
 *
 * 1. Content is stored once: a tool result or reply lives in its `call`, the caller's words in their
 *    `entry`, what a definition says in `fragment`. Nothing holds a copy.
 * 2. What changes often is narrow and apart (`pulse`, `budget`), so that an update copies few bytes.
 * 3. `attempt`, `entry` and `event` are only ever inserted.
 */
export const tables = /* sql */ `
create schema if not exists belayer;

create table belayer.fragment (
  hash text primary key,
  body text not null
);

create table belayer.definition (
  hash text primary key,
  agent text not null,
  build_id text not null,
  body jsonb not null,
  -- model -> hash of the fragment that a prompt for it begins with
  heads jsonb not null,
  published_at timestamptz not null default clock_timestamp()
);
create index definition_newest on belayer.definition (agent, published_at desc);

create table belayer.run (
  no bigint generated always as identity primary key,
  id text not null unique,
  agent text not null,
  customer text not null default '',
  key text,
  definition text not null references belayer.definition,
  input_hash text not null,
  -- what the caller narrowed: limits, deadline
  options jsonb,
  parent text,
  parent_position text,
  created_at timestamptz not null default clock_timestamp(),
  ended_at timestamptz,
  outcome jsonb,
  output_at text,
  steps int
);
create unique index run_key on belayer.run (agent, customer, key) where key is not null;
create index run_open on belayer.run (no) where ended_at is null;

-- What changes with every call of a run: kept narrow.
create table belayer.pulse (
  run_no bigint primary key references belayer.run on delete cascade,
  state text not null default 'starting',
  events int not null default 1,
  swept_at timestamptz,
  watched_until timestamptz,
  -- the system message of an agent whose instructions are a function: the first recorded wins
  system text
) with (fillfactor = 50);
create index pulse_starting on belayer.pulse (run_no) where state = 'starting';

-- Ceilings. A run's own now; windows and customers come into the same table.
create table belayer.budget (
  id bigint generated always as identity primary key,
  scope text not null,
  subject text not null,
  starts_at timestamptz,
  ceiling_micro_usd bigint not null,
  ceiling_tokens bigint not null,
  spent_micro_usd bigint not null default 0,
  reserved_micro_usd bigint not null default 0,
  spent_tokens bigint not null default 0,
  reserved_tokens bigint not null default 0,
  unique nulls not distinct (scope, subject, starts_at)
) with (fillfactor = 50);

create table belayer.call (
  run_no bigint not null references belayer.run on delete cascade,
  position text not null,
  kind text not null,
  name text not null,
  request_hash text not null,
  -- claimed: an attempt is under way | open: none is, and nothing happened | unknown: nobody knows | done
  state text not null,
  attempt int not null,
  worker text not null,
  claimed_at timestamptz not null,
  first_claimed_at timestamptz not null,
  send_deadline timestamptz,
  reserved_micro_usd bigint not null default 0,
  reserved_tokens bigint not null default 0,
  -- what the activity answered to the workflow, byte for byte: it is given again, never looked into
  answer json,
  -- the message that the transcript holds for this call
  fragment text,
  fragment_hash text,
  output text,
  primary key (run_no, position)
);

-- The journal: one row per attempt, when it ends or is given up.
create table belayer.attempt (
  run_no bigint not null references belayer.run on delete cascade,
  position text not null,
  number int not null,
  kind text not null,
  name text not null,
  worker text not null,
  started_at timestamptz not null,
  ended_at timestamptz not null default clock_timestamp(),
  outcome text not null,
  code text,
  detail text,
  retryable boolean,
  latency_ms int,
  cost_micro_usd bigint not null default 0,
  reserved_micro_usd bigint not null default 0,
  -- model calls
  prompt_hash text,
  prompt_bytes int,
  prompt_head text,
  chain int,
  length int,
  model text,
  finish_reason text,
  input_tokens int,
  cached_tokens int,
  output_tokens int,
  reasoning_tokens int,
  price text,
  first_token_ms int,
  request_id text,
  status int,
  primary key (run_no, position, number)
);

create table belayer.entry (
  run_no bigint not null references belayer.run on delete cascade,
  chain int not null,
  seq int not null,
  head text not null,
  at text not null,
  -- null: the fragment of the call at this position
  fragment text,
  primary key (run_no, chain, seq)
);

-- A chain that goes on from another: compactions and forks. Chain 0 of a run without a row has no parent.
create table belayer.segment (
  run_no bigint not null references belayer.run on delete cascade,
  chain int not null,
  parent_run_no bigint not null references belayer.run,
  parent_chain int not null,
  parent_length int not null,
  primary key (run_no, chain)
);

create table belayer.event (
  run_no bigint not null references belayer.run on delete cascade,
  number int not null,
  at timestamptz not null default clock_timestamp(),
  kind text not null,
  position text,
  body jsonb not null,
  primary key (run_no, number)
);

create table belayer.request (
  run_no bigint not null references belayer.run on delete cascade,
  position text not null,
  kind text not null,
  tool text not null,
  arguments text not null,
  arguments_hash text not null,
  detail text,
  state text not null default 'open',
  opened_at timestamptz not null default clock_timestamp(),
  deadline timestamptz not null,
  closed_at timestamptz,
  closed_by text,
  closed_via text,
  reason text,
  primary key (run_no, position)
);
create index request_open on belayer.request (opened_at) where state = 'open';

create table belayer.stop_flag (
  scope text not null,
  subject text not null,
  reason text not null,
  set_by text not null,
  set_at timestamptz not null default clock_timestamp(),
  primary key (scope, subject)
);
`;
