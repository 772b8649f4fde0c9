/**
 * One run of a recording, ready to be told again: its messages, replies, results and decisions, by position.
 *
 * Read from the lines of a recording alone, whether a file brought them or the database.
 */
import type {
  CallModelOutput,
  Hash,
  RunOutcome,
  RunToolOutput,
} from '../../contracts/agent-run.ts';
import { BelayerError, failureType, invariant } from '../../contracts/failures.ts';
import type { FrozenAgent } from '../../contracts/definitions.ts';
import { type Position, stepOf } from '../../contracts/positions.ts';
import type { RecordingLine } from '../../contracts/recording.ts';
import { promptTail } from '../../rules/render-message.ts';
import type { Recording, RecordedHistories } from '../../storage/recordings/read-recording.ts';

export interface RecordedCall {
  readonly position: Position;
  readonly kind: string;
  readonly name: string;
  /** Of a tool call: the hash of its arguments. */
  readonly requestHash: Hash;
  readonly isDone: boolean;
  readonly answer?: CallModelOutput | RunToolOutput;
  /** The message that it left in the transcript. */
  readonly fragment?: string;
  readonly output?: string;
}

export interface RecordedAttempt {
  readonly position: Position;
  /** `model`, `tool` or `child`. */
  readonly kind: string;
  /** Milliseconds since the epoch. */
  readonly startedAtMs: number;
  readonly outcome: string | null;
  readonly code: string | null;
  readonly detail: string | null;
  readonly costMicroUsd: number;
  readonly promptHash?: Hash;
  readonly promptHead?: Hash;
  readonly chain: number;
  readonly length: number;
  readonly finishReason: string | null;
  readonly model: string;
  readonly inputTokens: number;
  readonly cachedTokens: number;
  readonly outputTokens: number;
  readonly hasUsage: boolean;
}

/** Without what sub-agents cost, which is in the attempts of their own runs. */
export const ownAttempts = (attempts: readonly RecordedAttempt[]): readonly RecordedAttempt[] =>
  attempts.filter(({ kind }) => kind !== 'child');

export interface RecordedRequest {
  readonly position: Position;
  /** Milliseconds since the epoch. */
  readonly openedAtMs: number;
  readonly kind: string;
  readonly about: string;
  readonly tool: string;
  readonly argumentsHash: Hash;
  readonly call: Position;
  /** `open`, or what was decided. */
  readonly state: string;
  readonly by: string;
  readonly reason?: string;
  readonly edited?: { readonly argumentsHash: Hash; readonly arguments: string };
}

/** What runs of one recording share. */
interface Shared {
  readonly lines: ReadonlyMap<string, readonly RecordingLine[]>;
  readonly fragments: ReadonlyMap<Hash, string>;
  readonly definitions: ReadonlyMap<Hash, FrozenAgent>;
  /** Runs that others go on from, as they were read. */
  readonly parents: Map<string, RecordedRun>;
}

export class RecordedRun {
  readonly run: string;
  readonly agent: string;
  readonly customer: string | undefined;
  readonly frozen: FrozenAgent;
  readonly outcome: RunOutcome | undefined;
  readonly hasEnded: boolean;
  readonly outputAt: Position | undefined;
  /** Model calls that count as steps, as far as the run has come. */
  readonly steps: number;
  readonly system: string | undefined;
  /** First to last. */
  readonly histories: RecordedHistories;
  readonly calls = new Map<Position, RecordedCall>();
  readonly attempts: readonly RecordedAttempt[];
  readonly requests: readonly RecordedRequest[];
  readonly said = new Map<Hash, string>();
  readonly #shared: Shared;
  readonly #entries = new Map<string, { readonly at: string; readonly fragment?: string }>();
  readonly #segments = new Map<
    number,
    { readonly run: string; readonly chain: number; readonly length: number }
  >();

  constructor(run: string, shared: Shared, histories: RecordedHistories) {
    this.run = run;
    this.#shared = shared;
    this.histories = histories;
    const rows = rowsByPart(shared.lines.get(run) ?? []);
    const [row] = rows('run');
    invariant(row !== undefined, `the recording has a row of run ${run}`);
    this.agent = text(row['agent']);
    this.customer = textOr(row['customer']);
    const frozen = shared.definitions.get(text(row['definition']));
    invariant(frozen !== undefined, `the recording has the definition of run ${run}`);
    this.frozen = frozen;
    this.hasEnded = textOr(row['ended_at']) !== undefined;
    this.outcome = this.hasEnded ? parsed<RunOutcome>(row['outcome']) : undefined;
    this.outputAt = textOr(row['output_at']);
    this.system = textOr(row['system']);
    for (const call of rows('call').map(toCall)) this.calls.set(call.position, call);
    this.steps = this.hasEnded ? number(row['steps']) : this.#stepsSoFar(textOr(row['fork_at']));
    for (const said of rows('said')) this.said.set(text(said['hash']), text(said['body']));
    for (const entry of rows('entry'))
      this.#entries.set(`${number(entry['chain'])}.${number(entry['seq'])}`, {
        at: text(entry['at']),
        ...(typeof entry['fragment'] === 'string' ? { fragment: entry['fragment'] } : {}),
      });
    for (const segment of rows('segment'))
      this.#segments.set(number(segment['chain']), {
        run: text(segment['parent_run']),
        chain: number(segment['parent_chain']),
        length: number(segment['parent_length']),
      });
    this.attempts = rows('attempt').map(toAttempt);
    this.requests = rows('request').map(toRequest);
  }

  /** The message of a chain at a place, or undefined where the recording does not hold it. */
  message(chain: number, seq: number): string | undefined {
    const segment = this.#segments.get(chain);
    if (segment !== undefined && seq < segment.length)
      return this.#parent(segment.run).message(segment.chain, seq);
    const entry = this.#entries.get(`${chain}.${seq}`);
    return entry?.fragment ?? (entry === undefined ? undefined : this.messageAt(entry.at));
  }

  /** The message that a call left, or that a person said; of a run that goes on from another also there. */
  messageAt(at: Position): string | undefined {
    const own = at.startsWith('said/') ? this.said.get(at.slice(5)) : this.calls.get(at)?.fragment;
    if (own !== undefined) return own;
    for (const { run } of this.#segments.values()) {
      const found = run === this.run ? undefined : this.#parent(run).messageAt(at);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** What the model was told of a call that left no message of its own, as text. */
  toldAt(at: Position): string | undefined {
    for (const entry of this.#entries.values()) {
      if (entry.at !== at || entry.fragment === undefined) continue;
      const { role, content } = JSON.parse(entry.fragment) as {
        readonly role: string;
        readonly content: string | null;
      };
      if (role === 'tool') return content ?? '';
    }
    return undefined;
  }

  /** A run's row has its steps when it has ended. A fork counts its parent's. */
  #stepsSoFar(forkAt: Position | undefined): number {
    const done = [...this.calls.values()].filter(({ kind, isDone }) => kind === 'model' && isDone);
    const shared = forkAt === undefined ? 0 : stepOf(forkAt) - 1;
    return Math.max(shared, ...done.map(({ position }) => stepOf(position)));
  }

  #parent(run: string): RecordedRun {
    if (run === this.run) return this;
    const known = this.#shared.parents.get(run);
    if (known !== undefined) return known;
    const parent = new RecordedRun(run, this.#shared, { workflowId: run, executions: [] });
    this.#shared.parents.set(run, parent);
    return parent;
  }

  /** @throws RecordingDamaged  One of them is not in the recording. */
  messages(chain: number, length: number): string[] {
    return Array.from({ length }, (_, seq) => {
      const message = this.message(chain, seq);
      if (message !== undefined) return message;
      throw new BelayerError(
        failureType.recordingDamaged,
        `The recording of run \`${this.run}\` has no message ${chain}.${seq} of its transcript.`,
      );
    });
  }

  /** The bytes of a prompt as it was sent. */
  promptOf(attempt: RecordedAttempt): string {
    const head = this.#shared.fragments.get(attempt.promptHead ?? '') ?? '';
    const system = this.system === undefined ? '' : `${this.system},`;
    return `${head}${system}${this.messages(attempt.chain, attempt.length).join(',')}${promptTail}`;
  }

  /** Text that was kept by its hash: arguments too long for a history. */
  kept(hash: Hash): string | undefined {
    return this.#shared.fragments.get(hash);
  }

  attemptsAt(position: Position): readonly RecordedAttempt[] {
    return this.attempts.filter((attempt) => attempt.position === position);
  }
}

/**
 * The recorded run and the runs of its sub-agents.
 *
 * @throws RecordingDamaged  The file is of the older form, which holds histories and no content.
 * @throws ContentRedacted   Prompts were redacted: they cannot be put together any more.
 */
export function recordedRuns(recording: Recording): readonly [RecordedRun, ...RecordedRun[]] {
  if (recording.head === undefined)
    throw new BelayerError(
      failureType.recordingDamaged,
      'This file holds histories and no content, as exports did before recordings: it can be replayed, not rerun. Export the run again.',
    );
  const redacted = recording.end?.void.prompts ?? [];
  const [first] = redacted;
  if (first !== undefined)
    throw new BelayerError(
      failureType.contentRedacted,
      `${redacted.length} prompt${redacted.length === 1 ? '' : 's'} of the recording of run \`${recording.workflowId}\` ${redacted.length === 1 ? 'was' : 'were'} redacted, the first at ${first.position}${first.run === recording.workflowId ? '' : ` of run \`${first.run}\``}: what is not there cannot be sent again. Rerun it where it ran, or export it with --keep-secrets.`,
    );
  const lines = new Map<string, RecordingLine[]>();
  for (const line of recording.lines) {
    const known = lines.get(line.run);
    if (known === undefined) lines.set(line.run, [line]);
    else known.push(line);
  }
  const shared = rowsByPart(lines.get('') ?? []);
  const together: Shared = {
    lines,
    parents: new Map(),
    fragments: new Map(shared('fragment').map((row) => [text(row['hash']), text(row['body'])])),
    definitions: new Map(
      shared('definition').flatMap((row) => {
        const body = parsed<FrozenAgent>(row['body']);
        return body === undefined ? [] : [[text(row['hash']), body] as const];
      }),
    ),
  };
  // Runs whose transcript one of them goes on from are there to be read, not to be run.
  const isSubAgent = ({ workflowId }: RecordedHistories): boolean =>
    workflowId.startsWith(`${recording.workflowId}/`);
  return [
    new RecordedRun(recording.workflowId, together, recording),
    ...recording.children
      .filter(isSubAgent)
      .map((child) => new RecordedRun(child.workflowId, together, child)),
  ];
}

type Row = RecordingLine['body'];

function rowsByPart(lines: readonly RecordingLine[]): (part: string) => readonly Row[] {
  return (part) => lines.filter((line) => line.part === part).map(({ body }) => body);
}

const text = (value: unknown): string =>
  typeof value === 'string' || typeof value === 'number' ? String(value) : '';
const textOr = (value: unknown): string | undefined =>
  typeof value === 'string' && value !== '' ? value : undefined;
const number = (value: unknown): number => (typeof value === 'number' ? value : 0);

/** JSON that a row holds as a value or as its text. */
function parsed<Value>(value: unknown): Value | undefined {
  if (value === null || value === undefined) return undefined;
  return (typeof value === 'string' ? JSON.parse(value) : value) as Value;
}

function toCall(row: Row): RecordedCall {
  const answer = parsed<CallModelOutput | RunToolOutput>(row['answer']);
  return {
    position: text(row['position']),
    kind: text(row['kind']),
    name: text(row['name']),
    requestHash: text(row['request_hash']),
    isDone: row['state'] === 'done',
    ...(answer === undefined ? {} : { answer }),
    ...(typeof row['fragment'] === 'string' ? { fragment: row['fragment'] } : {}),
    ...(typeof row['output'] === 'string' ? { output: row['output'] } : {}),
  };
}

function toAttempt(row: Row): RecordedAttempt {
  const [promptHash, promptHead] = [textOr(row['prompt_hash']), textOr(row['prompt_head'])];
  return {
    position: text(row['position']),
    kind: text(row['kind']),
    startedAtMs: Date.parse(text(row['started_at'])),
    outcome: textOr(row['outcome']) ?? null,
    code: textOr(row['code']) ?? null,
    detail: textOr(row['detail']) ?? null,
    costMicroUsd: number(row['cost_micro_usd']),
    ...(promptHash === undefined ? {} : { promptHash }),
    ...(promptHead === undefined ? {} : { promptHead }),
    chain: number(row['chain']),
    length: number(row['length']),
    finishReason: textOr(row['finish_reason']) ?? null,
    model: textOr(row['name']) ?? text(row['model']),
    inputTokens: number(row['input_tokens']),
    cachedTokens: number(row['cached_tokens']),
    outputTokens: number(row['output_tokens']),
    hasUsage: typeof row['input_tokens'] === 'number',
  };
}

function toRequest(row: Row): RecordedRequest {
  const [hash, edited, reason] = [
    row['edited_hash'],
    row['edited_arguments'],
    textOr(row['reason']),
  ];
  return {
    position: text(row['position']),
    openedAtMs: Date.parse(text(row['opened_at'])),
    kind: text(row['kind']),
    about: text(row['about']),
    tool: text(row['tool']),
    argumentsHash: text(row['arguments_hash']),
    call: text(row['call']),
    state: text(row['state']),
    by: text(row['closed_by']),
    ...(reason === undefined ? {} : { reason }),
    ...(typeof hash === 'string' && typeof edited === 'string'
      ? { edited: { argumentsHash: hash, arguments: edited } }
      : {}),
  };
}
