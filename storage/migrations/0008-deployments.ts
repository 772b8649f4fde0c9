/**
 * Builds side by side: a start pins the newest definition of the build that it goes to, and not the newest
 * of all. Definitions without a deployment are started as before.
 */
export const deployments = /* sql */ `
-- What a start of p_definition has to pin: the newest of its own build, where a deployment carries it out.
create function belayer.startable_definition(p_agent text, p_definition text) returns text
language sql stable as $$
  select coalesce(
    (select n.hash from belayer.definition d
     join belayer.definition n on n.agent = d.agent and n.build_id = d.build_id and n.body->>'deployment' = d.body->>'deployment'
     where d.hash = p_definition and d.agent = p_agent and d.body ? 'deployment'
     order by n.published_at desc limit 1),
    (select hash from belayer.definition where agent = p_agent order by published_at desc limit 1))
$$;

-- One line of start_run asks for it; the rest of the function is as it stands.
do $do$
declare
  source text := pg_get_functiondef('belayer.start_run'::regproc);
  changed text := replace(source,
    'select hash into newest from belayer.definition where agent = p_agent order by published_at desc limit 1;',
    'newest := belayer.startable_definition(p_agent, p_definition);');
begin
  if changed = source then raise exception 'start_run does not look its definition up where it is expected to'; end if;
  execute changed;
end $do$;
`;
