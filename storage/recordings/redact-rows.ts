/** What redacting a recording takes out row by row, and which hashes are void because of it. */
import type { Redaction, RecordingPart, VoidHashes } from '../../contracts/recording.ts';
import { BelayerError, failureType } from '../../contracts/failures.ts';
import { canonicalJson } from '../../rules/canonical-json.ts';
import type { Redactor } from '../../rules/redact.ts';
import { redactHistory } from '../../rules/redact-history.ts';
import { sha256 } from '../hash.ts';
import type { RecordedPart, Row } from './recorded-parts.ts';

/** In place of the hash of content that is shared and was redacted: it may stand for nothing else. */
export const redactedName = (hash: string): string => `redacted:${hash}`;

type Writable<Of> = { [Key in keyof Of]: Of[Key] extends readonly (infer Item)[] ? Item[] : never };

export interface RowRedaction {
  /** The row as it is written. */
  row(part: RecordedPart, run: string, row: Row): Row;
  history(run: string, number: number, history: unknown): unknown;
  readonly redactions: readonly Redaction[];
  readonly void: VoidHashes;
  readonly opaquePayloads: number;
}

/** @param earlier  What was void before: in runs that were imported. */
export function redactRows(redactor: Redactor, earlier: readonly VoidHashes[]): RowRedaction {
  const redactions: Redaction[] = [];
  const gone: Writable<VoidHashes> = {
    content: earlier.flatMap(({ content }) => content),
    prompts: earlier.flatMap(({ prompts }) => prompts),
    histories: earlier.flatMap(({ histories }) => histories),
    chains: earlier.flatMap(({ chains }) => chains),
  };
  const renamed = new Map<string, string>();
  /** Places of a run whose message was changed: `said/...`, positions, and `system`. */
  const changed = new Set<string>();
  let opaquePayloads = 0;

  const note = (
    found: ReadonlyMap<string, number>,
    where: Omit<Redaction, 'rule' | 'count'>,
  ): void => {
    for (const [rule, count] of found) redactions.push({ rule, ...where, count });
  };
  const chainFrom = (run: string, chain: number): number =>
    Math.min(
      ...gone.chains
        .filter((known) => known.run === run && known.chain === chain)
        .map(({ from }) => from),
    );

  return {
    redactions,
    void: gone,
    get opaquePayloads() {
      return opaquePayloads;
    },
    row(part, run, row) {
      const position = part.position(row);
      const after: Record<string, unknown> = { ...row };
      const touched = new Set<string>();
      for (const field of part.content) {
        const { value, found } = redactor.redact(row[field]);
        if (found.size === 0) continue;
        note(found, { run, part: part.part, position, field });
        after[field] = value;
        touched.add(field);
      }
      const hashes = part.hashes(row);
      for (const [index, { hash, of }] of part.hashes(after).entries())
        if (of !== hashes[index]?.of) gone.content.push({ run, part: part.part, position, hash });
      renameShared(part, { row: after, renamed });
      checkRest(redactor, part, { run, row: after });
      switch (part.part) {
        case 'run':
          if (touched.has('system')) changed.add(`${run} system`);
          break;
        case 'said':
          if (touched.has('body')) changed.add(`${run} said/${position}`);
          break;
        case 'call':
          if (touched.has('fragment')) changed.add(`${run} ${position}`);
          break;
        case 'entry': {
          const [chain, seq] = [Number(row['chain']), Number(row['seq'])];
          const isChanged =
            touched.has('fragment') ||
            (row['fragment'] === null && changed.has(`${run} ${String(row['at'])}`));
          if (isChanged && seq < chainFrom(run, chain)) gone.chains.push({ run, chain, from: seq });
          break;
        }
        case 'segment': {
          const from = chainFrom(String(row['parent_run']), Number(row['parent_chain']));
          if (from < Number(row['parent_length']))
            gone.chains.push({ run, chain: Number(row['chain']), from });
          break;
        }
        case 'attempt': {
          if (row['prompt_hash'] === null) break;
          const isVoid =
            changed.has(`${run} system`) ||
            String(after['prompt_head']).startsWith(redactedName('')) ||
            chainFrom(run, Number(row['chain'])) < Number(row['length']);
          const prompt = { run, position: String(row['position']), attempt: Number(row['number']) };
          const isKnown = gone.prompts.some(
            (known) =>
              known.run === run &&
              known.position === prompt.position &&
              known.attempt === prompt.attempt,
          );
          if (isVoid && !isKnown) gone.prompts.push(prompt);
          break;
        }
        case 'budget':
        case 'decision':
        case 'definition':
        case 'end':
        case 'event':
        case 'fragment':
        case 'history':
        case 'recording':
        case 'request':
          break;
        default:
          part.part satisfies never;
      }
      return after;
    },
    history(run, number, history) {
      const found = new Map<string, number>();
      const redacted = redactHistory(history, (value) => {
        const each = redactor.redact(value);
        for (const [rule, count] of each.found) found.set(rule, (found.get(rule) ?? 0) + count);
        return each.value;
      });
      opaquePayloads += redacted.opaquePayloads;
      note(found, { run, part: 'history', position: String(number), field: 'history' });
      const isKnown = gone.histories.some(
        (known) => known.run === run && known.execution === number,
      );
      if (redacted.isChanged && !isKnown) gone.histories.push({ run, execution: number });
      return redacted.history;
    },
  };
}

/** Content that is shared is found by its hash: what was redacted gets a name that no hash can be. */
function renameShared(
  part: RecordedPart,
  {
    row,
    renamed,
  }: { readonly row: Record<string, unknown>; readonly renamed: Map<string, string> },
): void {
  const rename = (hash: unknown): unknown => renamed.get(String(hash)) ?? hash;
  if (part.part === 'run') row['definition'] = rename(row['definition']);
  if (part.part === 'attempt') row['prompt_head'] = rename(row['prompt_head']);
  if (part.part === 'definition')
    row['heads'] = Object.fromEntries(
      Object.entries(row['heads'] as Row).map(([model, hash]) => [model, rename(hash)]),
    );
  if (part.part !== 'fragment' && part.part !== 'definition') return;
  const hash = String(row['hash']);
  const found = sha256(part.part === 'fragment' ? String(row['body']) : canonicalJson(row['body']));
  if (hash === found || hash === redactedName(found)) return;
  renamed.set(hash, redactedName(found));
  row['hash'] = redactedName(found);
}

/** What holds a recording together cannot be redacted, so a value that stands there must not leave. */
function checkRest(
  redactor: Redactor,
  part: RecordedPart,
  { run, row }: { readonly run: string; readonly row: Row },
): void {
  for (const [field, value] of Object.entries({ ...row, run })) {
    // Amounts and counts are no secrets, and would hold a number of six digits by chance.
    if (part.content.includes(field) || typeof value === 'number') continue;
    const rule = redactor.remains(value);
    if (rule !== undefined)
      throw new BelayerError(
        failureType.inputRejected,
        `A value that rule \`${rule}\` redacts also stands in \`${field}\` of the ${part.part satisfies RecordingPart} at \`${part.position(row)}\`, which cannot be redacted. Nothing was exported.`,
      );
  }
}
