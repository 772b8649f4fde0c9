/** Stop flags: what stands, what was changed, and which runs have to be told (`0004-stop-flags.ts`). */
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import type { Database } from './database.ts';
import type { StopScope } from './ledger.ts';

/** A flag that stands. `subject` is a run's id, a name, or empty for the installation. */
export interface StopFlagRow {
  readonly scope: StopScope;
  readonly subject: string;
  readonly reason: string;
  readonly by: string;
  readonly since: Date;
}

export interface StopFlagChange {
  readonly at: Date;
  readonly action: 'set' | 'lifted';
  readonly scope: Exclude<StopScope, 'run'>;
  readonly subject: string;
  readonly reason: string;
  readonly by: string;
}

/** The one rule of what a flag covers; `belayer.flag_covers` is the same in the database. */
export function flagCovers(
  flag: { readonly scope: StopScope; readonly subject: string },
  owner: { readonly run: string; readonly agent: string; readonly customer: string | undefined },
): boolean {
  switch (flag.scope) {
    case 'installation':
      return true;
    case 'agent':
      return flag.subject === owner.agent;
    case 'customer':
      return flag.subject === owner.customer;
    case 'run':
      return flag.subject === owner.run || owner.run.startsWith(`${flag.subject}/`);
    default:
      return flag.scope satisfies never;
  }
}

/** All flags that stand, the widest first. */
export function readFlags(database: Database): Promise<readonly StopFlagRow[]> {
  return database.query<StopFlagRow>({
    name: 'read_flags',
    text: `select scope, subject, reason, set_by as by, set_at as since from belayer.stop_flag
      order by array_position(array['installation', 'customer', 'agent', 'run'], scope), set_at, subject`,
  });
}

/** Every set and lift, newest first. A run's own flag is in the run's events instead. */
export function readFlagChanges(database: Database): Promise<readonly StopFlagChange[]> {
  return database.query<StopFlagChange>(
    {
      name: 'read_flag_changes',
      text: `select at, action, scope, subject, reason, by from belayer.stop_flag_change order by id desc limit $1`,
    },
    [limits.flagChangesShownMax],
  );
}

/** False where no such flag stands. From its return on, what it covered may start again. */
export async function liftFlag(
  database: Database,
  flag: Pick<StopFlagRow, 'scope' | 'subject' | 'reason' | 'by'>,
): Promise<boolean> {
  const [row] = await database.query<{ lifted: boolean }>(
    { name: 'lift_flag', text: 'select belayer.lift_flag($1,$2,$3,$4) as lifted' },
    [flag.scope, flag.subject, flag.reason, flag.by],
  );
  return row?.lifted ?? false;
}

/** A run that a flag covers, with that flag. */
export interface RunToHalt {
  readonly no: number;
  readonly run: string;
  readonly scope: StopScope;
  readonly subject: string;
  readonly reason: string;
  readonly by: string;
}

/**
 * Takes open runs that nobody has told yet, so that no other taker has the same ones. Of one flag, or,
 * for a sweep, of every flag whose setter has had time to do it.
 */
export function takeToHalt(
  database: Database,
  of: { readonly scope: StopScope; readonly subject: string } | 'all standing',
): Promise<readonly RunToHalt[]> {
  const one = of === 'all standing' ? undefined : of;
  return database.query<RunToHalt>(
    {
      name: 'take_to_halt',
      text: `select no, run, scope, subject, reason, set_by as by from belayer.take_to_halt($1,$2,$3,$4,$5)`,
    },
    [
      one?.scope ?? null,
      one?.subject ?? null,
      one === undefined ? limits.haltSweepOlderThanMs : 0,
      limits.haltTakenMsMax,
      limits.haltBatchRunsMax,
    ],
  );
}

/** The signals of these runs are with Temporal: nobody has to tell them again. */
export async function noteHaltSent(database: Database, runs: readonly RunToHalt[]): Promise<void> {
  if (runs.length === 0) return;
  await database.query(
    {
      name: 'note_halt_sent',
      text: 'update belayer.halt_sent set sent_at = clock_timestamp() where run_no = any($1::bigint[])',
    },
    [runs.map(({ no }) => no)],
  );
}

/** Lets the next taker have runs that this one could not tell. */
export async function putBackToHalt(database: Database, runs: readonly RunToHalt[]): Promise<void> {
  if (runs.length === 0) return;
  await database.query(
    {
      name: 'put_back_to_halt',
      text: 'delete from belayer.halt_sent where run_no = any($1::bigint[]) and sent_at is null',
    },
    [runs.map(({ no }) => no)],
  );
}

/** Open runs that one flag covers and that nobody has told yet. */
export async function countToHalt(
  database: Database,
  flag: { readonly scope: StopScope; readonly subject: string },
): Promise<number> {
  const [row] = await database.query<{ count: number }>(
    {
      name: 'count_to_halt',
      text: `select count(*) as count from belayer.run r left join belayer.halt_sent s on s.run_no = r.no
        where r.ended_at is null and s.sent_at is null and belayer.flag_covers($1, $2, r.id, r.agent, r.customer)`,
    },
    [flag.scope, flag.subject],
  );
  return row?.count ?? 0;
}

/** The SQLSTATE by which `start_run` refuses what a flag covers. */
const startRefused = 'BL001';

/** The refusal of a start, in words, where `error` is one; else the error as it is. */
export function toStartStopped(error: unknown): unknown {
  const { code, detail } = error as { readonly code?: unknown; readonly detail?: unknown };
  if (code !== startRefused || typeof detail !== 'string') return error;
  const flag = JSON.parse(detail) as Omit<StopFlagRow, 'since'> & { readonly since: string };
  return new BelayerError(
    failureType.startStopped,
    `${stoppedWords({ ...flag, since: new Date(flag.since) })}${flag.scope === 'run' ? '' : ` \`${liftWords(flag)}\` lifts it.`} Nothing was started.`,
    { cause: error },
  );
}

/** Who is stopped, why, by whom and since when. */
export function stoppedWords(flag: StopFlagRow): string {
  return `${subjectWords(flag)} is stopped: ${flag.reason.replace(/\.$/, '')} (by ${flag.by} since ${flag.since.toISOString()}).`;
}

export function subjectWords(flag: {
  readonly scope: StopScope;
  readonly subject: string;
}): string {
  if (flag.scope === 'installation') return 'The whole installation';
  return `${{ agent: 'Agent', customer: 'Customer', run: 'Run' }[flag.scope]} \`${flag.subject}\``;
}

/** The command that lifts a flag, fit to be pasted into a shell. */
const liftWords = ({ scope, subject }: Pick<StopFlagRow, 'scope' | 'subject'>): string =>
  `belayer lift ${scope === 'installation' ? '--all' : `--${scope} ${shellWord(subject)}`} --reason "..."`;

const shellWord = (word: string): string =>
  /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
