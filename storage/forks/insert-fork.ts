/** Writes a fork, whole or not at all: its row, what it shares with its parent, and what it is given. */
import type { AgentRunInput, Hash } from '../../contracts/agent-run.ts';
import type { PublishedAgent } from '../../contracts/definitions.ts';
import { BelayerError, failureType, invariant } from '../../contracts/failures.ts';
import type { Position } from '../../contracts/positions.ts';
import type { RunOptions } from '../../contracts/run-options.ts';
import { sha256 } from '../hash.ts';
import { storableJson } from '../storable.ts';
import type { Query } from '../transaction.ts';

/** A result that the fork holds from its beginning. */
export interface GivenResult {
  readonly position: Position;
  readonly tool: string;
  readonly requestHash: Hash;
  readonly status: 'ok' | 'failed';
  readonly code?: string;
  /** The message, as the transcript will hold it. */
  readonly fragment: string;
}

export interface ForkToInsert {
  readonly run: string;
  readonly key?: string;
  readonly inputHash: Hash;
  readonly options: RunOptions;
  readonly parent: { readonly no: number; readonly id: string };
  readonly at: Position;
  readonly by: string;
  readonly reason?: string;
  readonly edit?: string;
  /** What its workflow is started with. */
  readonly input: AgentRunInput;
  /** Absent where the parent's is used as it is. */
  readonly definition?: PublishedAgent & { readonly heads: Readonly<Record<string, string>> };
  /** Its own first message, in place of all that its parent said. */
  readonly firstMessage?: string;
  /** The system message that the parent's instructions, a function, once made is shared. */
  readonly sharesSystem: boolean;
  /** A message of a person that its first call appends. */
  readonly said?: string;
  readonly reply?: { readonly position: Position; readonly fragment: string };
  readonly results: readonly GivenResult[];
}

export interface ForkVerdict {
  readonly verdict: 'started' | 'existing' | 'key-reused';
  readonly run: string;
}

/** @throws Error with the code of a stop flag: see `toStartStopped`. */
export async function insertFork(query: Query, fork: ForkToInsert): Promise<ForkVerdict> {
  const { input, by, reason, edit } = fork;
  if (fork.definition !== undefined) await insertVariant(query, fork.definition);
  const why = {
    by,
    ...(reason === undefined ? {} : { reason }),
    ...(edit === undefined ? {} : { edit }),
  };
  const [row] = await query<ForkVerdict & { run_no: number | null }>(
    {
      text: 'select * from belayer.fork_run($1,$2,$3,$4,$5,$6,$7,$8,$9,$10,$11,$12,$13)',
    },
    [
      fork.run,
      input.agent,
      input.customer ?? '',
      fork.key ?? null,
      input.definition,
      fork.inputHash,
      JSON.stringify(fork.options),
      fork.parent.id,
      fork.at,
      storableJson({ ...why, input }),
      input.limits.costMicroUsd,
      input.limits.tokens,
      storableJson({ of: fork.parent.id, ...why }),
    ],
  );
  invariant(row !== undefined, 'fork_run answers with one row');
  if (row.verdict === 'started') {
    invariant(row.run_no !== null, 'a new row has a number');
    await insertShared(query, row.run_no, fork);
    await insertGiven(query, row.run_no, fork);
  }
  return row;
}

/** Under no agent's name, as one that was imported: no start picks it. */
async function insertVariant(
  query: Query,
  { hash, frozen, heads }: NonNullable<ForkToInsert['definition']>,
): Promise<void> {
  const bodies = Object.values(heads);
  await query(
    {
      text: `insert into belayer.fragment (hash, body) select * from unnest($1::text[], $2::text[]) on conflict do nothing`,
    },
    [bodies.map(sha256), bodies],
  );
  await query(
    {
      text: `insert into belayer.definition (hash, agent, build_id, body, heads, published_at)
        values ($1, '', $2, $3, $4, '-infinity') on conflict do nothing`,
    },
    [
      hash,
      frozen.buildId,
      JSON.stringify(frozen),
      JSON.stringify(
        Object.fromEntries(Object.entries(heads).map(([model, body]) => [model, sha256(body)])),
      ),
    ],
  );
}

async function insertShared(query: Query, no: number, fork: ForkToInsert): Promise<void> {
  const { parent, input } = fork;
  const carried = input.carried;
  invariant(carried !== undefined, 'a fork carries what its parent had come to');
  if (fork.firstMessage === undefined)
    await query(
      {
        text: `insert into belayer.segment (run_no, chain, parent_run_no, parent_chain, parent_length) values ($1, $2, $3, $4, $5)`,
      },
      [
        no,
        carried.transcript.chain,
        parent.no,
        carried.transcript.chain,
        carried.transcript.length,
      ],
    );
  else
    await query(
      {
        text: `insert into belayer.entry (run_no, chain, seq, head, at, fragment) values ($1, 0, 0, $2, '0', $3)`,
      },
      [no, carried.transcript.head, fork.firstMessage],
    );
  if (fork.sharesSystem)
    await query(
      {
        text: `update belayer.pulse set system = (select system from belayer.pulse where run_no = $2) where run_no = $1`,
      },
      [no, parent.no],
    );
  const stored = [...carried.entries, ...(carried.session?.inbox ?? [])].filter(
    (entry) => 'hash' in entry,
  );
  const ats = stored.map(({ at }) => at);
  // What the parent had not put into a chain yet: results of its last step, and what people said.
  const copied = await query<{ position: Position }>(
    {
      text: `insert into belayer.call (run_no, position, kind, name, request_hash, state, attempt, worker, claimed_at, first_claimed_at, answer, fragment, fragment_hash)
        select $1, position, 'tool', name, request_hash, 'done', attempt, left('shared with ' || $4, 400), claimed_at, first_claimed_at, answer, fragment, fragment_hash
        from belayer.call c join unnest($3::text[], $5::text[]) e(at, hash) on c.position = e.at and c.fragment_hash = e.hash
        where c.run_no = $2 and c.state = 'done' returning position`,
    },
    [no, parent.no, ats, parent.id, stored.map(({ hash }) => hash)],
  );
  const held = new Set(copied.map(({ position }) => position));
  const missing = ats.find((at) => !at.startsWith('said/') && !held.has(at));
  if (missing !== undefined)
    throw new BelayerError(
      failureType.forkRejected,
      `Run \`${parent.id}\` cannot be forked at \`${fork.at}\`: the result at \`${missing}\` that its history names is not the one on record. A reset went another way. Nothing was started.`,
    );
  await query(
    {
      text: `insert into belayer.said (run_no, hash, body, said_at)
        select $1, hash, body, said_at from belayer.said where run_no = $2 and 'said/' || hash = any($3::text[])`,
    },
    [no, parent.no, ats],
  );
  if (fork.said !== undefined)
    await query(
      {
        text: 'insert into belayer.said (run_no, hash, body) values ($1, $2, $3) on conflict do nothing',
      },
      [no, sha256(fork.said), fork.said],
    );
}

async function insertGiven(query: Query, no: number, fork: ForkToInsert): Promise<void> {
  if (fork.reply !== undefined)
    await query(
      { text: 'insert into belayer.given (run_no, position, body) values ($1, $2, $3)' },
      [no, fork.reply.position, fork.reply.fragment],
    );
  for (const { position, tool, requestHash, status, code, fragment } of fork.results) {
    const hash = sha256(fragment);
    await query(
      {
        text: `insert into belayer.call (run_no, position, kind, name, request_hash, state, attempt, worker, claimed_at, first_claimed_at, answer, fragment, fragment_hash)
          values ($1, $2, 'tool', $3, $4, 'done', 1, $5, clock_timestamp(), clock_timestamp(), $6, $7, $8)`,
      },
      [
        no,
        position,
        tool,
        requestHash,
        `given by ${fork.by}`,
        storableJson({
          kind: 'done',
          // Its caller's, which nobody knows yet: it is put in its place when it is given.
          input: '',
          status,
          hash,
          bytes: Buffer.byteLength(fragment),
          ...(code === undefined ? {} : { code }),
          label: 'U',
        }),
        fragment,
        hash,
      ],
    );
  }
}
