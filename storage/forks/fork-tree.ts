/** Runs that share a beginning. */
import { limits } from '../../contracts/limits.ts';
import type { Database } from '../database.ts';
import { runColumns, runJoins, type RunRow } from '../reading-runs.ts';

/** The forks of a run, oldest first; not their forks. */
export function readForks(database: Database, run: string): Promise<readonly RunRow[]> {
  return database.query<RunRow>(
    {
      text: `select ${runColumns} from (select * from belayer.run where fork_of = $1 order by no limit $2) r ${runJoins} order by r.no`,
    },
    [run, limits.forksShownMax],
  );
}

/**
 * All runs of the tree that a run is in, its root first, then in the order in which they began. A run whose
 * parent is not here, as one that was imported alone, is the root. At most `limits.forksShownMax`.
 */
export function readForkTree(database: Database, run: string): Promise<readonly RunRow[]> {
  return database.query<RunRow>(
    {
      text: `with recursive up as (
          select r.id, r.fork_of, 0 as depth from belayer.run r where r.id = $1
          union all
          select r.id, r.fork_of, up.depth + 1 from up join belayer.run r on r.id = up.fork_of where up.depth < $2),
        tree as (
          (select id from up order by depth desc limit 1)
          union
          select r.id from tree join belayer.run r on r.fork_of = tree.id)
        select ${runColumns} from (select r.* from belayer.run r join tree on tree.id = r.id order by r.no limit $2) r ${runJoins} order by r.no`,
    },
    [run, limits.forksShownMax],
  );
}
