/** The transcript: chains of messages, each stored once, rendered once. */
import type { RunToolOutput } from '../contracts/agent-run.ts';
import { invariant } from '../contracts/failures.ts';
import type { Position } from '../contracts/positions.ts';
import type { Database } from './database.ts';
import { runUnknown } from './ledger.ts';

/** The messages of a chain from `from` on, in order, up to `length`. */
export async function readFragments(
  database: Database,
  run: string,
  chain: { readonly chain: number; readonly from: number; readonly length: number },
): Promise<readonly string[]> {
  const rows = await database.query<{ body: string }>(
    {
      name: 'read_fragments',
      text: `select f.body from belayer.run r,
        lateral belayer.chain_fragments(r.no, $2, $3, $4) f where r.id = $1 order by f.seq`,
    },
    [run, chain.chain, chain.from, chain.length],
  );
  return rows.map((row) => row.body);
}

/** The message that a call left at its position, or that a person said. */
export async function readCallFragment(
  database: Database,
  run: string,
  position: Position,
): Promise<string> {
  const [row] = await database.query<{ fragment: string | null }>(
    {
      name: 'read_call_fragment',
      text: `select coalesce(c.fragment, s.body) as fragment from belayer.run r
        left join belayer.call c on c.run_no = r.no and c.position = $2
        left join belayer.said s on s.run_no = r.no and starts_with($2, 'said/') and s.hash = substr($2, 6)
        where r.id = $1`,
    },
    [run, position],
  );
  invariant(row !== undefined && row.fragment !== null, `position ${position} holds a message`);
  return row.fragment;
}

/**
 * The run's own system message: the recorded one, or what `render` makes of the caller's words.
 * The first recorded wins, whoever renders another.
 */
export async function seedSystemMessage(
  database: Database,
  run: string,
  render: (input: string) => Promise<string>,
): Promise<string> {
  const [row] = await database.query<{ no: number; system: string | null; first: string }>(
    {
      // A fork's first message may be its parent's.
      text: `select r.no, p.system, f.body as first from belayer.run r
        join belayer.pulse p on p.run_no = r.no
        join lateral belayer.chain_fragments(r.no, 0, 0, 1) f on f.seq = 0 where r.id = $1`,
    },
    [run],
  );
  if (row === undefined) throw runUnknown(run);
  if (row.system !== null) return row.system;
  const text = await render(contentOf(row.first));
  const [kept] = await database.query<{ system: string }>(
    {
      text: `update belayer.pulse set system = coalesce(system, $2) where run_no = $1 returning system`,
    },
    [row.no, text],
  );
  invariant(kept !== undefined, 'a run has a pulse');
  return kept.system;
}

/** What a message says: the text of its `content`. */
export function contentOf(fragment: string): string {
  const message = JSON.parse(fragment) as { readonly content: string | null };
  return message.content ?? '';
}

/** What a finished call answered to its workflow. */
export async function readAnswer(
  database: Database,
  run: string,
  position: Position,
): Promise<RunToolOutput | undefined> {
  const [row] = await database.query<{ answer: RunToolOutput | null }>(
    {
      name: 'read_answer',
      text: `select c.answer from belayer.call c join belayer.run r on r.no = c.run_no
        where r.id = $1 and c.position = $2 and c.state = 'done'`,
    },
    [run, position],
  );
  return row?.answer ?? undefined;
}
