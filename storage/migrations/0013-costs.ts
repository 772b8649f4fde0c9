/** What things cost, read back: an index for `belayer costs`, and costs of tools that come after their attempt was journalled. */
export const costs = /* sql */ `
-- The journal grows in order of time, so a summary of each stretch of it finds a week without a tree that every attempt
-- would have to be put into.
create index attempt_started on belayer.attempt using brin (started_at) with (pages_per_range = 32, autosummarize = on);

-- Adds to an attempt that is in the journal already, and to every budget that it counts under.
create function belayer.add_tool_cost(p_run_no bigint, p_position text, p_attempt int, p_micro_usd bigint) returns boolean
language plpgsql as $$
declare o record;
begin
  perform from belayer.pulse p where p.run_no = p_run_no for update;
  update belayer.attempt a set cost_micro_usd = a.cost_micro_usd + p_micro_usd
  where a.run_no = p_run_no and a.position = p_position and a.number = p_attempt and a.kind = 'tool';
  if not found then return false; end if;
  update belayer.budget g set spent_micro_usd = g.spent_micro_usd + p_micro_usd
  where g.scope = 'run' and g.subject = p_run_no::text and g.starts_at is null;
  if exists (select from belayer.budget_rule) then
    select w.windows into o from belayer.run r, belayer.open_windows(r.agent, r.customer) w where r.no = p_run_no;
    if o.windows is not null then
      perform belayer.settle_windows(p_run_no, p_position, o.windows, 0, 0, p_micro_usd, 0);
    end if;
  end if;
  return true;
end $$;

-- As in 0010, but for attempts that an import brings: they were paid for elsewhere, and under the budgets of that place.
create or replace function belayer.spend_tool_cost() returns trigger
language plpgsql as $$
declare o record;
begin
  -- What is journalled here ends at the moment of its insert, after its transaction began.
  if new.ended_at < now() then return null; end if;
  if not exists (select from belayer.budget_rule) then return null; end if;
  select w.windows into o from belayer.run r, belayer.open_windows(r.agent, r.customer) w where r.no = new.run_no;
  if o.windows is not null then
    perform belayer.settle_windows(new.run_no, new.position, o.windows, 0, 0, new.cost_micro_usd, 0);
  end if;
  return null;
end $$;
`;
