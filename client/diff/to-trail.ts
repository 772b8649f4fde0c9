/** The trail of one run from its own rows: pure, the same for a database and a file. */
import type { RunOutcome } from '../../contracts/agent-run.ts';
import { type Position, stepOf } from '../../contracts/positions.ts';
import { canonicalJson } from '../../rules/canonical-json.ts';
import { sha256 } from '../../storage/hash.ts';
import { forkOf } from '../../storage/trails/fork-of.ts';
import type { Row, TrailRows } from '../../storage/trails/trail-rows.ts';
import type { Chains } from './chains.ts';
import { compareCalls } from './order-positions.ts';
import { isRecord, jsonOf, numberIn, textIn } from './row-values.ts';
import type { ModelTrailCall, PromptBody, RequestTrailCall, ToolTrailCall, Trail, TrailAttempt, TrailCall, TrailEnd, TrailHead, TrailMessage, TrailReply, WordsTrailCall } from './trail.ts'; // prettier-ignore

export function toTrail(rows: TrailRows, chains: Chains): Trail {
  const prompts = promptsOf(rows, chains);
  const requests = rows.rows('request').map(requestOf);
  const calls = callsOf(rows, prompts, requests);
  return {
    head: headOf(rows),
    end: endOf(rows, calls),
    calls: [...calls, ...requests, ...wordsOf(rows, chains, prompts)].toSorted(compareCalls),
    prompts,
  };
}

function headOf(rows: TrailRows): TrailHead {
  const [row] = rows.rows('run');
  const parent = textIn(row, 'parent');
  const fork = forkOf(rows);
  return {
    run: rows.run,
    agent: textIn(row, 'agent') ?? '',
    customer: textIn(row, 'customer') ?? '',
    from: rows.from,
    definition: textIn(row, 'definition') ?? '',
    ...(parent === undefined ? {} : { parent }),
    ...(fork === undefined ? {} : { fork }),
    redactedValues: rows.redactedValues,
  };
}

function endOf(rows: TrailRows, calls: readonly TrailCall[]): TrailEnd {
  const [row] = rows.rows('run');
  const budget = rows.rows('budget').find(({ starts_at: from }) => from === null);
  const outcome = outcomeOf(row?.['outcome']);
  const outputAt = textIn(row, 'output_at');
  const output = rows
    .rows('call')
    .flatMap((call) => (textIn(call, 'position') === outputAt ? [textIn(call, 'output')] : []))[0];
  // What serves a step (a repair, a larger model) has its number.
  const steps = new Set(
    calls.flatMap((call) =>
      call.kind === 'model' && call.state === 'done' ? [stepOf(call.position)] : [],
    ),
  );
  return {
    state: outcome?.kind ?? textIn(row, 'state') ?? '',
    ...(outcome === undefined ? {} : { outcome }),
    ...(output === undefined ? {} : { output: jsonOf(output) }),
    steps: row?.['steps'] == null ? steps.size : numberIn(row, 'steps'),
    costMicroUsd: numberIn(budget, 'spent_micro_usd'),
    tokens: numberIn(budget, 'spent_tokens'),
    ceilingMicroUsd: numberIn(budget, 'ceiling_micro_usd'),
  };
}

/** A file may hold anything. */
function outcomeOf(value: unknown): RunOutcome | undefined {
  if (!isRecord(value)) return undefined;
  const { kind, detail, because, failure } = value;
  const isWhole =
    kind === 'done' ||
    (kind === 'stopped' && typeof because === 'string' && typeof detail === 'string') ||
    (kind === 'failed' &&
      isRecord(failure) &&
      typeof failure['type'] === 'string' &&
      typeof failure['message'] === 'string');
  return isWhole ? (value as RunOutcome) : undefined;
}

/** The prompt of the newest attempt at each position that sent one. */
function promptsOf(rows: TrailRows, chains: Chains): ReadonlyMap<Position, PromptBody> {
  const system = textIn(rows.rows('run')[0], 'system');
  const heads = new Map<string, ReturnType<typeof headFrom>>();
  const prompts = new Map<Position, PromptBody>();
  for (const attempt of rows.rows('attempt')) {
    const hash = textIn(attempt, 'prompt_head');
    if (hash === undefined || textIn(attempt, 'prompt_hash') === undefined) continue;
    const head = heads.get(hash) ?? headFrom(rows.fragment(hash) ?? '', system);
    heads.set(hash, head);
    prompts.set(textIn(attempt, 'position') ?? '', {
      ...head,
      messages: chains(numberIn(attempt, 'chain')),
      length: numberIn(attempt, 'length'),
    });
  }
  return prompts;
}

/** A stored head is a body that is cut off behind the instructions. */
function headFrom(head: string, system: string | undefined): Omit<PromptBody, 'messages' | 'length'> {
  const value = jsonOf(`${head.replace(/,$/, '')}]}`);
  // Redacting may have left no JSON: then its text is compared.
  if (!isRecord(value)) return { body: { head }, system };
  const { messages, ...body } = value;
  const first: unknown = Array.isArray(messages) ? messages[0] : undefined;
  return { body, system: system === undefined ? first : jsonOf(system) };
} // prettier-ignore

function callsOf(
  rows: TrailRows,
  prompts: ReadonlyMap<Position, PromptBody>,
  requests: readonly RequestTrailCall[],
): readonly (ModelTrailCall | ToolTrailCall)[] {
  const attempts = new Map<Position, Row[]>();
  for (const row of rows.rows('attempt')) {
    const position = textIn(row, 'position') ?? '';
    attempts.set(position, [...(attempts.get(position) ?? []), row]);
  }
  const replies = new Map<Position, TrailReply>();
  const models: ModelTrailCall[] = [];
  for (const row of rows.rows('call')) {
    if (row['kind'] !== 'model') continue;
    const call = modelCallOf(row, attempts.get(textIn(row, 'position') ?? '') ?? [], prompts);
    if (call.reply !== undefined) replies.set(call.position, call.reply);
    models.push(call);
  }
  const asked = askedFor(rows, models);
  const ran = rows
    .rows('call')
    .filter((row) => row['kind'] !== 'model')
    .map((row) => toolCallOf(row, { rows, asked, requests, attempts: attempts.get(textIn(row, 'position') ?? '') ?? [] })); // prettier-ignore
  const positions = new Set(ran.map(({ position }) => position));
  const told = toldResults(rows);
  const notRun = [...asked]
    .filter(([position]) => !positions.has(position))
    .map(([position, call]): ToolTrailCall => {
      const result = told.get(position);
      return {
        kind: 'tool',
        position,
        tool: call.tool,
        arguments: call.arguments,
        state: 'not-run',
        attempts: [],
        costMicroUsd: 0,
        ...(result === undefined ? {} : { result }),
      };
    });
  return [...models, ...ran, ...notRun];
}

function modelCallOf(
  row: Row,
  attempts: readonly Row[],
  prompts: ReadonlyMap<Position, PromptBody>,
): ModelTrailCall {
  const position = textIn(row, 'position') ?? '';
  const prompt = prompts.get(position);
  const sent = attempts.findLast((attempt) => textIn(attempt, 'prompt_hash') !== undefined);
  const fragment = textIn(row, 'fragment');
  const sum = (column: string): number =>
    attempts.reduce((total, attempt) => total + numberIn(attempt, column), 0);
  return {
    kind: 'model',
    position,
    model: textIn(row, 'name') ?? '',
    state: stateOf(row),
    attempts: attempts.map(attemptOf),
    costMicroUsd: sum('cost_micro_usd'),
    inputTokens: sum('input_tokens'),
    outputTokens: sum('output_tokens'),
    ...(prompt === undefined
      ? {}
      : {
          prompt: {
            hash: textIn(sent, 'prompt_hash') ?? '',
            bytes: numberIn(sent, 'prompt_bytes'),
            messages: prompt.length,
          },
        }),
    ...(fragment === undefined ? {} : { reply: replyOf(fragment) }),
  };
}

function replyOf(fragment: string): TrailReply {
  const message = jsonOf(fragment);
  if (!isRecord(message)) return { text: fragment };
  const { content, refusal, tool_calls: calls } = message;
  return {
    ...(typeof content === 'string' ? { text: content } : {}),
    ...(typeof refusal === 'string' ? { refusal } : {}),
    ...(Array.isArray(calls) ? { calls: calls.map(askedOf) } : {}),
  };
}

function askedOf(call: unknown): { readonly tool: string; readonly arguments: unknown } {
  const made = isRecord(call) && isRecord(call['function']) ? call['function'] : {};
  const { name, arguments: args } = made;
  return {
    tool: typeof name === 'string' ? name : '',
    arguments: typeof args === 'string' ? jsonOf(args) : (args ?? null),
  };
}

/** What replies asked for, by the position that each call has: of a step, the newest reply with calls. */
function askedFor(
  rows: TrailRows,
  models: readonly ModelTrailCall[],
): ReadonlyMap<Position, { readonly tool: string; readonly arguments: unknown }> {
  const order = new Map(rows.rows('entry').map((row, index) => [textIn(row, 'at') ?? '', index]));
  const asked = new Map<Position, { readonly tool: string; readonly arguments: unknown }>();
  const inOrder = models.toSorted(
    (a, b) => (order.get(a.position) ?? 0) - (order.get(b.position) ?? 0),
  );
  for (const { position, reply } of inOrder)
    for (const [index, call] of (reply?.calls ?? []).entries())
      asked.set(`${stepOf(position)}.${index + 1}`, call);
  return asked;
}

function toolCallOf(
  row: Row,
  given: {
    readonly rows: TrailRows;
    readonly asked: ReturnType<typeof askedFor>;
    readonly requests: readonly RequestTrailCall[];
    readonly attempts: readonly Row[];
  },
): ToolTrailCall {
  const position = textIn(row, 'position') ?? '';
  const hash = textIn(row, 'request_hash') ?? '';
  const fragment = textIn(row, 'fragment');
  const args = argumentsOf(position, hash, given);
  return {
    kind: row['kind'] === 'child' ? 'child' : 'tool',
    position,
    tool: textIn(row, 'name') ?? '',
    state: stateOf(row),
    attempts: given.attempts.map(attemptOf),
    costMicroUsd: given.attempts.reduce((sum, each) => sum + numberIn(each, 'cost_micro_usd'), 0),
    ...(args === undefined ? { argumentsHash: hash } : { arguments: args }),
    ...(fragment === undefined ? {} : { result: contentOf(jsonOf(fragment)) }),
  };
}

/** An edit by a human, what was kept by hash, or what the model wrote; of a fallback's nothing may be kept. */
function argumentsOf(
  position: Position,
  hash: string,
  { rows, asked, requests }: Parameters<typeof toolCallOf>[1],
): unknown {
  const serves = position.includes('/') ? '-' : '/';
  const edited = requests.findLast(
    (request) =>
      request.edited !== undefined &&
      request.verdict === 'approved' &&
      request.position.startsWith(`${position}${serves}`),
  );
  if (edited !== undefined) return edited.edited;
  const kept = rows.fragment(hash);
  if (kept !== undefined) return jsonOf(kept);
  const about = rows
    .rows('request')
    .find((row) => row['call'] === position && row['arguments_hash'] === hash);
  if (about !== undefined) return jsonOf(textIn(about, 'arguments') ?? '');
  const own = asked.get(position);
  if (own !== undefined) return own.arguments;
  // A fallback may run with what its tool was asked with.
  const base = asked.get(position.split('/')[0] ?? '')?.arguments;
  return base !== undefined && sha256(canonicalJson(base)) === hash ? base : undefined;
}

/** Results of calls that never ran: denied, refused, timed out. They are in the transcript alone. */
function toldResults(rows: TrailRows): ReadonlyMap<Position, unknown> {
  const told = new Map<Position, unknown>();
  for (const row of rows.rows('entry')) {
    const fragment = textIn(row, 'fragment');
    if (fragment === undefined) continue;
    const message = jsonOf(fragment);
    if (roleOf(message) === 'tool') told.set(textIn(row, 'at') ?? '', contentOf(message));
  }
  return told;
}

function requestOf(row: Row): RequestTrailCall {
  const by = textIn(row, 'closed_by');
  const reason = textIn(row, 'reason');
  const edited = textIn(row, 'edited_arguments');
  return {
    kind: 'request',
    position: textIn(row, 'position') ?? '',
    request: textIn(row, 'kind') ?? '',
    tool: textIn(row, 'tool') ?? '',
    arguments: jsonOf(textIn(row, 'arguments') ?? ''),
    verdict: textIn(row, 'state') ?? '',
    ...(by === undefined ? {} : { by }),
    ...(reason === undefined ? {} : { reason }),
    ...(edited === undefined ? {} : { edited: jsonOf(edited) }),
  };
}

/** Messages of users, each before the first model call that was sent it. */
function wordsOf(
  rows: TrailRows,
  chains: Chains,
  prompts: ReadonlyMap<Position, PromptBody>,
): readonly WordsTrailCall[] {
  const lengths = [...prompts]
    .map(([position, { length }]) => ({ step: stepOf(position), length }))
    .toSorted((a, b) => a.length - b.length);
  const next = Math.max(0, ...lengths.map(({ step }) => step)) + 1;
  const counts = new Map<number, number>();
  const own = new Set(rows.rows('entry').map((row) => `${numberIn(row, 'chain')}.${numberIn(row, 'seq')}`)); // prettier-ignore
  const numbers = [...new Set(rows.rows('entry').map((row) => numberIn(row, 'chain')))];
  return numbers.flatMap((chain) =>
    chains(chain).flatMap((message, seq): readonly WordsTrailCall[] => {
      if (!own.has(`${chain}.${seq}`) || roleOf(message.value) !== 'user') return [];
      const step = lengths.find(({ length }) => length > seq)?.step ?? next;
      const number = (counts.get(step) ?? 0) + 1;
      counts.set(step, number);
      return [{ kind: 'words', position: String(step), number, from: saidBy(message), text: textOf(message.value) }]; // prettier-ignore
    }),
  );
}

const saidBy = ({ at }: TrailMessage): WordsTrailCall['from'] =>
  at === '0' ? 'input' : at.startsWith('said/') ? 'person' : 'run';

const roleOf = (message: unknown): unknown => (isRecord(message) ? message['role'] : undefined);

function contentOf(message: unknown): unknown {
  const text = textOf(message);
  const value = jsonOf(text);
  // A result that is a number or a word is shown as the model saw it.
  return typeof value === 'object' && value !== null ? value : text;
}

function textOf(message: unknown): string {
  const content = isRecord(message) ? message['content'] : message;
  return typeof content === 'string' ? content : JSON.stringify(content ?? null);
}

const stateOf = (row: Row): ToolTrailCall['state'] =>
  (textIn(row, 'state') ?? 'open') as ToolTrailCall['state'];

function attemptOf(row: Row): TrailAttempt {
  const code = textIn(row, 'code');
  return { outcome: textIn(row, 'outcome') ?? '', ...(code === undefined ? {} : { code }) };
}
