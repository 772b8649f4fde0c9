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
`;
