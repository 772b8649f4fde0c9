/**
 * The cap on what is told about stuck runs holds for all workers together: who announces a finding waits for
 * who announces another, and so counts it. Without that, two sweeps at once each counted before the other was seen.
 */
export const toldInTurn = /* sql */ `
do $do$
declare
  source text := pg_get_functiondef('belayer.note_stuck'::regproc);
  -- Taken last: who waits here holds its own run's row, which no other holder of this lock asks for.
  changed text := replace(source,
    'perform belayer.add_event(p_run_no, ''run.stuck''',
    'perform pg_advisory_xact_lock(hashtextextended(''belayer.note_stuck'', 0));
  perform belayer.add_event(p_run_no, ''run.stuck''');
begin
  if changed = source then raise exception 'note_stuck does not announce where it is expected to'; end if;
  execute changed;
end $do$;
`;
