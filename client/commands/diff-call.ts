/** One call of a diff for a person: what differs, and both sides. */
import type { CallDiff, Difference, DifferingField } from '../diff/run-diff.ts';
import type { TrailAttempt, TrailCall, TrailReply } from '../diff/trail.ts';
import { usd } from './amounts.ts';
import { fieldLines, type FieldRow } from './diff-columns.ts';
import { cutAroundDifference, valueText } from './diff-cut.ts';
import { safeLine } from './safe-text.ts';

export interface DiffStyle {
  /** Columns of the terminal. */
  readonly width: number;
  /** Nothing is cut, and what is equal is shown like what differs. */
  readonly isWhole: boolean;
}

/** Places of prompts that were shown already, with where: a prompt repeats those before it. */
export type ShownPlaces = Map<string, string>;

export function callText(call: CallDiff, style: DiffStyle, shown: ShownPlaces): string {
  const prompts = call.differences.filter(({ field }) => field === 'prompt');
  const fresh = prompts.filter((difference) => style.isWhole || !shown.has(placeOf(difference)));
  const heading = headingOf(call, shown);
  for (const difference of prompts)
    if (!shown.has(placeOf(difference))) shown.set(placeOf(difference), call.position);
  const rows = [...fresh.slice(0, style.isWhole ? undefined : promptRowsMax).map(promptRow), ...rowsOf(call, style.isWhole)]; // prettier-ignore
  return [
    heading,
    ...fieldLines(
      rows.map((row) => fitted(row, style)),
      style.width,
    ),
  ].join('\n');
}

/** Of a changed prompt the first few places say what was changed. */
const promptRowsMax = 3;
const headingPlacesMax = 3;

function headingOf(call: CallDiff, shown: ShownPlaces): string {
  const { a, b, differences } = call;
  const position = safeLine(call.position);
  const name = nameOf(a ?? b);
  if (a === undefined || b === undefined) return `${position}  ${name}: only ${a ? 'A' : 'B'}`;
  if (differences.length === 0) return `${position}  ${name}: the same`;
  const before = differences.filter((each) => each.field === 'prompt' && shown.has(placeOf(each)));
  const places = differences
    .filter((each) => !before.includes(each))
    .map((each) => safeLine(describePlace(each), 80));
  const since = [...new Set(before.map((each) => shown.get(placeOf(each)) ?? ''))];
  const all = [...places.slice(0, headingPlacesMax), ...(places.length > headingPlacesMax ? [`${places.length - headingPlacesMax} more`] : []), ...since.map((at) => `prompt as at ${safeLine(at)}`)]; // prettier-ignore
  return `${position}  ${name}: ${all.join(', ')}`;
}

function nameOf(call: TrailCall | undefined): string {
  switch (call?.kind) {
    case 'model':
      return 'model call';
    case 'tool':
      return `tool ${safeLine(call.tool, 60)}`;
    case 'child':
      return `sub-agent ${safeLine(call.tool, 60)}`;
    case 'request':
      return `${safeLine(call.request, 40)}${call.tool === '' ? '' : ` of ${safeLine(call.tool, 60)}`}`;
    case 'words':
      return { input: 'the input', person: 'said by a person', run: 'said in the run' }[call.from];
    case undefined:
      return '';
    default:
      return call satisfies never;
  }
}

/** `prompt messages[3].content (result of 2.1)`, `result.state`, `reply`. */
export function describePlace({ field, part, path, messageOf }: Difference): string {
  if (field === 'prompt') {
    const whose = messageOf === undefined ? '' : ` (${describeMessage(messageOf)})`;
    return `prompt ${part === 'message' || part === undefined ? '' : `${part} `}${path}${whose}`.replace(/ +/g, ' '); // prettier-ignore
  }
  return `${field}${path === '' || path.startsWith('[') ? '' : '.'}${path}`;
}

const describeMessage = (at: string): string =>
  at === '0'
    ? 'the input'
    : at.startsWith('said/')
      ? 'a person’s message'
      : at.includes('.')
        ? `what ${at} gave`
        : `reply or words at ${at}`;

/** The same place with the same two values. */
const placeOf = (difference: Difference): string => JSON.stringify(difference);

const promptRow = ({ a, b }: Difference): FieldRow => ({
  label: 'prompt',
  differs: true,
  a: a === undefined ? undefined : valueText(a),
  b: b === undefined ? undefined : valueText(b),
});

/** The fields of both sides, in the order of the side that has them. */
function rowsOf({ a, b, differences, asides }: CallDiff, isWhole: boolean): readonly FieldRow[] {
  const ofA = new Map(a === undefined ? [] : fieldsOf(a));
  const ofB = new Map(b === undefined ? [] : fieldsOf(b));
  const differing = new Set<DifferingField>([...differences, ...asides].map(({ field }) => field));
  if (asides.some(({ field }) => field === 'cost' || field === 'tokens')) differing.add('cost');
  return [...new Set([...ofA.keys(), ...ofB.keys()])]
    .filter((field) => isWhole || !(field === 'attempts' && wentWell(a) && wentWell(b)))
    .map((field) => ({
      label: labels[field] ?? field,
      differs: differing.has(field) || differing.has('call'),
      a: ofA.get(field),
      b: ofB.get(field),
    }));
}

/** Of what went well at once, tries say nothing. */
const wentWell = (call: TrailCall | undefined): boolean =>
  call === undefined || !('attempts' in call) || (call.attempts.length === 1 && call.attempts[0]?.outcome === 'ok'); // prettier-ignore

const labels: Partial<Record<DifferingField, string>> = { cost: 'used', edited: 'changed', attempts: 'tries' }; // prettier-ignore

function fieldsOf(call: TrailCall): readonly (readonly [DifferingField, string])[] {
  switch (call.kind) {
    case 'model':
      return [
        ['model', call.model],
        ...(call.reply === undefined ? [] : [['reply', replyText(call.reply)] as const]),
        ...stateOf(call),
        ...triesOf(call.attempts),
        ['cost', `${usd(call.costMicroUsd)}, ${call.inputTokens}+${call.outputTokens} tokens`],
      ];
    case 'tool':
    case 'child':
      return [
        ['tool', call.tool],
        ['arguments', call.argumentsHash === undefined ? valueText(call.arguments) : `(not kept; SHA-256 ${call.argumentsHash})`], // prettier-ignore
        ...(call.result === undefined ? [] : [['result', valueText(call.result)] as const]),
        ...stateOf(call),
        ...triesOf(call.attempts),
      ];
    case 'request':
      return [
        ['arguments', valueText(call.arguments)],
        ['verdict', call.verdict],
        ...(call.edited === undefined ? [] : [['edited', valueText(call.edited)] as const]),
        ...(call.by === undefined ? [] : [['by', call.by] as const]),
        ...(call.reason === undefined ? [] : [['reason', call.reason] as const]),
      ];
    case 'words':
      return [['text', call.text]];
    default:
      return call satisfies never;
  }
}

function replyText({ text, refusal, calls = [] }: TrailReply): string {
  return [
    ...(text === undefined ? [] : [text]),
    ...(refusal === undefined ? [] : [`refused: ${refusal}`]),
    ...calls.map(({ tool, arguments: args }) => `→ ${tool} ${valueText(args)}`),
  ].join('\n');
}

const stateOf = ({ state }: { readonly state: string }): readonly (readonly ['state', string])[] =>
  state === 'done' ? [] : [['state', state === 'not-run' ? 'not run' : state]];

function triesOf(attempts: readonly TrailAttempt[]): readonly (readonly ['attempts', string])[] {
  if (attempts.length === 0) return [];
  const words = attempts.map(({ outcome, code }) => (code === undefined ? outcome : `${outcome} (${code})`)); // prettier-ignore
  return [['attempts', `${attempts.length}: ${words.join(', ')}`]];
}

/** What is equal takes one line, what differs is cut around where it does. */
function fitted(row: FieldRow, { isWhole, width }: DiffStyle): FieldRow {
  if (isWhole) return row;
  const { a, b } = row;
  if (!row.differs) {
    const chars = Math.max(16, Math.floor(width / 2) - 12);
    const line = (text: string | undefined): string | undefined =>
      text === undefined ? undefined : safeLine(text.replaceAll(/\n\s*/g, ' '), chars);
    return { ...row, a: line(a), b: line(b) };
  }
  const [one, other] = cutAroundDifference([a, b]);
  return { ...row, a: one, b: other };
}
