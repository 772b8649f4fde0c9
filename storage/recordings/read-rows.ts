/** Reads what a recording consists of, a few rows at a time. */
import { limits } from '../../contracts/limits.ts';
import type { VoidHashes } from '../../contracts/recording.ts';
import type { Query } from '../transaction.ts';
import type { Row } from './recorded-parts.ts';

export interface RecordedRun {
  readonly no: number;
  readonly id: string;
  readonly endedAt: Date | null;
  /** Of a run that was imported: what did not hash when it came. */
  readonly void: VoidHashes | null;
}

/** A run and the runs of its sub-agents. Parents first. What a fork shares with another run is in its own entries. */
export function recordedFamily(query: Query, run: string): Promise<readonly RecordedRun[]> {
  return query<RecordedRun>(
    {
      text: `with recursive family as (
          select no, id from belayer.run where id = $1
          union
          select k.no, k.id from family f join belayer.call c on c.run_no = f.no and c.kind = 'child'
            join belayer.run k on k.id = f.id || '/' || c.position)
        select r.no, r.id, case when not coalesce(i.was_open, false) then r.ended_at end as "endedAt", i.void
        from family f join belayer.run r on r.no = f.no left join belayer.imported i on i.run_no = r.no
        order by r.id <> $1, r.no limit $2`,
    },
    [run, limits.recordingRunsMax + 1],
  );
}

/** The rows of a statement, by a cursor: content of a long run does not fit into memory at once. */
export async function* readRows(
  query: Query,
  select: string,
  values: readonly unknown[],
): AsyncGenerator<Row> {
  const name = `rows_${(cursors += 1)}`;
  await query(
    {
      text: `declare ${name} no scroll cursor for select row_to_json(t)::text as row from (${select}) t`,
    },
    values,
  );
  try {
    for (;;) {
      const rows = await query<{ row: string }>({
        text: `fetch ${limits.recordingRowsPerReadMax} from ${name}`,
      });
      for (const { row } of rows) yield JSON.parse(row) as Row;
      if (rows.length < limits.recordingRowsPerReadMax) break;
    }
  } finally {
    // A statement that failed has ended the transaction, and the cursor with it.
    await query({ text: `close ${name}` }).catch(() => undefined);
  }
}

let cursors = 0;
