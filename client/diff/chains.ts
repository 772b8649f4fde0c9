/** Transcripts as they are compared: each message once, however many prompts have it. */
import { BelayerError, failureType } from '../../contracts/failures.ts';
import { canonicalJson } from '../../rules/canonical-json.ts';
import type { Row, TrailRows } from '../../storage/trails/trail-rows.ts';
import { isRecord, jsonOf, numberIn, textIn } from './row-values.ts';
import type { TrailMessage } from './trail.ts';

/** Messages of a chain, first to last. */
export type Chains = (chain: number) => readonly TrailMessage[];

/** `parents`: every run whose transcript the run goes on from, by id. */
export function chainsOf(rows: TrailRows, parents: ReadonlyMap<string, TrailRows>): Chains {
  const made = new Map<number, readonly TrailMessage[]>();
  return (chain) => {
    const known = made.get(chain);
    if (known !== undefined) return known;
    const messages = compared(entriesOf(rows, chain, parents));
    made.set(chain, messages);
    return messages;
  };
}

interface Entry {
  readonly at: string;
  readonly body: string;
}

function entriesOf(
  rows: TrailRows,
  chain: number,
  parents: ReadonlyMap<string, TrailRows>,
  behind: readonly string[] = [],
): readonly Entry[] {
  const name = `${rows.run} ${chain}`;
  if (behind.includes(name))
    throw new BelayerError(
      failureType.recordingDamaged,
      `Chain ${chain} of run \`${rows.run}\` goes on from itself: its segment is damaged.`,
    );
  const segment = rows.rows('segment').find((row) => numberIn(row, 'chain') === chain);
  const parent = segment && parents.get(textIn(segment, 'parent_run') ?? '');
  const before =
    segment === undefined || parent === undefined
      ? []
      : entriesOf(parent, numberIn(segment, 'parent_chain'), parents, [...behind, name]).slice(
          0,
          numberIn(segment, 'parent_length'),
        );
  const calls = byName(rows.rows('call'), 'position');
  const said = byName(rows.rows('said'), 'hash');
  const own = rows
    .rows('entry')
    .filter((row) => numberIn(row, 'chain') === chain)
    .map((row): Entry => {
      const at = textIn(row, 'at') ?? '';
      const stored = at.startsWith('said/')
        ? textIn(said.get(at.slice(5)), 'body')
        : textIn(calls.get(at), 'fragment');
      return { at, body: textIn(row, 'fragment') ?? stored ?? notOnRecord };
    });
  return [...before, ...own];
}

/** As the database reads a message that nobody stored. */
const notOnRecord = '{"role":"user","content":"[a message that is not on record]"}';

const byName = (rows: readonly Row[], column: string): ReadonlyMap<string, Row> =>
  new Map(rows.map((row) => [textIn(row, column) ?? '', row]));

/**
 * Providers draw ids of calls by chance and write arguments with any white space: two runs that did the
 * same would differ everywhere. So ids become positions, and arguments become values.
 */
function compared(entries: readonly Entry[]): readonly TrailMessage[] {
  const ids = new Map<string, string>();
  return entries.map(({ at, body }) => {
    const value = jsonOf(body);
    if (!isRecord(value)) return { at, value, text: canonicalJson(value) };
    const calls = value['tool_calls'];
    const answers = value['tool_call_id'];
    const plain = {
      ...value,
      ...(Array.isArray(calls)
        ? { tool_calls: calls.map((call: unknown, index) => plainCall(call, `${at}#${index + 1}`, ids)) }
        : {}),
      ...(typeof answers === 'string' ? { tool_call_id: ids.get(answers) ?? answers } : {}),
    }; // prettier-ignore
    return { at, value: plain, text: canonicalJson(plain) };
  });
}

function plainCall(call: unknown, name: string, ids: Map<string, string>): unknown {
  if (!isRecord(call)) return call;
  if (typeof call['id'] === 'string') ids.set(call['id'], name);
  const made = call['function'];
  if (!isRecord(made) || typeof made['arguments'] !== 'string') return { ...call, id: name };
  return { ...call, id: name, function: { ...made, arguments: jsonOf(made['arguments']) } };
}
