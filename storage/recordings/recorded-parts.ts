/**
 * What of a run is recorded, table by table: which rows, what of them is content, which hashes they bear.
 *
 * Content may be redacted. What is not content (ids, positions, hashes, states, times, amounts) holds the
 * recording together and stays as it is.
 */
import type { Hash } from '../../contracts/agent-run.ts';
import type { RecordingPart } from '../../contracts/recording.ts';
import { canonicalJson } from '../../rules/canonical-json.ts';
import { sha256 } from '../hash.ts';

export type Row = Readonly<Record<string, unknown>>;

export interface RecordedPart {
  readonly part: RecordingPart;
  /** $1 is the run's number. */
  readonly select: string;
  readonly position: (row: Row) => string;
  readonly content: readonly string[];
  /** Pairs of a recorded hash and the text that it is of. */
  readonly hashes: (row: Row) => readonly { readonly hash: Hash; readonly of: string }[];
}

const no = (): readonly [] => [];
const text = (row: Row, column: string): string => {
  const value = row[column];
  return typeof value === 'string' || typeof value === 'number' ? String(value) : '';
};
const pair =
  (...columns: readonly (readonly [hash: string, of: string])[]) =>
  (row: Row): readonly { readonly hash: Hash; readonly of: string }[] =>
    columns.flatMap(([hash, of]) =>
      typeof row[of] === 'string' && text(row, hash) !== ''
        ? [{ hash: text(row, hash), of: text(row, of) }]
        : [],
    );

/** What runs share. $1: numbers of the family's runs. */
export const sharedParts: readonly RecordedPart[] = [
  {
    part: 'fragment',
    // Heads of prompts, and arguments that were too long for a history.
    select: `select f.hash, f.body from belayer.fragment f where f.hash in (
        select h.value from belayer.run r join belayer.definition d on d.hash = r.definition, jsonb_each_text(d.heads) h where r.no = any($1::bigint[])
        union select a.prompt_head from belayer.attempt a where a.run_no = any($1::bigint[])
        union select c.request_hash from belayer.call c where c.run_no = any($1::bigint[])
        union select q.arguments_hash from belayer.request q where q.run_no = any($1::bigint[]))
      order by f.hash`,
    position: (row) => text(row, 'hash'),
    content: ['body'],
    hashes: pair(['hash', 'body']),
  },
  {
    part: 'definition',
    select: `select d.hash, d.body->>'name' as agent, d.build_id, d.body, d.heads from belayer.definition d
      where d.hash in (select r.definition from belayer.run r where r.no = any($1::bigint[])) order by d.hash`,
    position: (row) => text(row, 'hash'),
    content: ['build_id', 'body'],
    hashes: (row) => [{ hash: text(row, 'hash'), of: canonicalJson(row['body']) }],
  },
];

/** In the order in which they are written: content before what cites it. */
export const runParts: readonly RecordedPart[] = [
  {
    part: 'run',
    select: `select r.agent, r.customer, coalesce(r.key, i.key) as key, r.definition, r.input_hash, r.options, r.parent, r.parent_position,
        r.created_at, case when not coalesce(i.was_open, false) then r.ended_at end as ended_at, r.outcome, r.output_at, r.steps,
        r.fork_of, r.fork_at, r.fork - 'input' as fork, p.state, p.events, p.system
      from belayer.run r join belayer.pulse p on p.run_no = r.no left join belayer.imported i on i.run_no = r.no where r.no = $1`,
    position: () => '',
    content: ['customer', 'key', 'options', 'outcome', 'fork', 'system'],
    hashes: no,
  },
  {
    part: 'budget',
    select: `select starts_at, ceiling_micro_usd, ceiling_tokens, spent_micro_usd, reserved_micro_usd, spent_tokens, reserved_tokens
      from belayer.budget where scope = 'run' and subject = $1::text order by starts_at nulls first`,
    position: (row) => text(row, 'starts_at'),
    content: [],
    hashes: no,
  },
  {
    part: 'said',
    select: 'select hash, body, said_at from belayer.said where run_no = $1 order by said_at, hash',
    position: (row) => text(row, 'hash'),
    content: ['body'],
    hashes: pair(['hash', 'body']),
  },
  {
    part: 'call',
    // The answer as text: its bytes are kept.
    select: `select position, kind, name, request_hash, state, attempt, worker, claimed_at, first_claimed_at, send_deadline,
        reserved_micro_usd, reserved_tokens, answer::text as answer, fragment, fragment_hash, output
      from belayer.call where run_no = $1 order by first_claimed_at, position`,
    position: (row) => text(row, 'position'),
    content: ['worker', 'answer', 'fragment', 'output'],
    hashes: pair(['fragment_hash', 'fragment']),
  },
  {
    part: 'entry',
    // A fork's file stands alone: what it shares with another run is written as its own.
    select: `select chain, seq, head, at, fragment from belayer.entry where run_no = $1
      union all
      select s.chain, e.seq, e.head, e.at, e.body from belayer.segment s
        cross join lateral belayer.chain_entries(s.run_no, s.chain, 0, s.parent_length) e
        where s.run_no = $1 and s.parent_run_no <> s.run_no
      order by chain, seq`,
    position: (row) => `${text(row, 'chain')}.${text(row, 'seq')}`,
    content: ['fragment'],
    hashes: no,
  },
  {
    part: 'segment',
    select: `select s.chain, p.id as parent_run, s.parent_chain, s.parent_length from belayer.segment s
      join belayer.run p on p.no = s.parent_run_no where s.run_no = $1 and s.parent_run_no = s.run_no order by s.chain`,
    position: (row) => text(row, 'chain'),
    content: [],
    hashes: no,
  },
  {
    part: 'attempt',
    select: `select position, number, kind, name, worker, started_at, ended_at, outcome, code, detail, retryable, latency_ms,
        cost_micro_usd, reserved_micro_usd, prompt_hash, prompt_bytes, prompt_head, chain, length, model, finish_reason,
        input_tokens, cached_tokens, output_tokens, reasoning_tokens, price, first_token_ms, request_id, status,
        tier, choice, saved
      from belayer.attempt where run_no = $1 order by started_at, position, number`,
    position: (row) => `${text(row, 'position')}#${text(row, 'number')}`,
    content: ['worker', 'code', 'detail', 'finish_reason', 'request_id', 'choice'],
    hashes: no,
  },
  {
    part: 'request',
    select: `select position, kind, tool, arguments, arguments_hash, detail, state, opened_at, deadline, closed_at, closed_by,
        closed_via, reason, call, about, deciders, level, escalates, decision, edited_hash, edited_arguments
      from belayer.request where run_no = $1 order by opened_at, position`,
    position: (row) => text(row, 'position'),
    content: ['arguments', 'detail', 'closed_by', 'closed_via', 'reason', 'deciders', 'escalates', 'edited_arguments'], // prettier-ignore
    hashes: pair(['arguments_hash', 'arguments'], ['edited_hash', 'edited_arguments']),
  },
  {
    part: 'decision',
    select: `select id, position, verdict, by, reason, arguments_hash, body, body_hash, made_at, outcome, refused
      from belayer.decision where run_no = $1 order by made_at, id`,
    position: (row) => text(row, 'id'),
    content: ['by', 'reason', 'body', 'refused'],
    hashes: pair(['body_hash', 'body']),
  },
  {
    part: 'event',
    select:
      'select number, at, kind, position, body from belayer.event where run_no = $1 order by number',
    position: (row) => text(row, 'number'),
    content: ['body'],
    hashes: no,
  },
];

/** Hashes of a row that are not of its content. */
export const wrongHashes = (
  part: RecordedPart,
  row: Row,
): readonly { readonly hash: Hash; readonly found: Hash }[] =>
  part
    .hashes(row)
    .map(({ hash, of }) => ({ hash, found: sha256(of) }))
    .filter(({ hash, found }) => hash !== found);
