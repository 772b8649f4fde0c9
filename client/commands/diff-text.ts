import type { DiffedRun, RunDiff } from '../diff/run-diff.ts';
import { usd } from './amounts.ts';
import { fieldLines } from './diff-columns.ts';
import { callText, describePlace, type DiffStyle, type ShownPlaces } from './diff-call.ts';
import { cutAroundDifference, valueText } from './diff-cut.ts';
import { safeLine } from './safe-text.ts';
import { table } from './table.ts';

/** A diff for a person. `from`: of the calls, the first that is shown; those before it are the same. */
export function diffText(diff: RunDiff, style: DiffStyle): string {
  const shown: ShownPlaces = new Map();
  const parting = diff.calls.findIndex(({ differences }) => differences.length > 0);
  const calls = style.isWhole ? diff.calls : parting < 0 ? [] : diff.calls.slice(parting);
  return [
    headText(diff),
    partingText(diff),
    ...calls.map((call) => callText(call, style, shown)),
    endText(diff, style),
  ].join('\n\n');
}

/** Only some calls, whole, whether or not they differ. */
export const someCallsText = (diff: RunDiff, style: DiffStyle): string =>
  [headText(diff), ...diff.calls.map((call) => callText(call, style, new Map()))].join('\n\n');

function headText({ a, b }: RunDiff): string {
  const lines = [`A  ${runLine(a)}`, `B  ${runLine(b)}`];
  if (a.agent !== b.agent)
    lines.push(`These are runs of two agents: ${safeLine(a.agent)} and ${safeLine(b.agent)}.`);
  else if (a.definition !== b.definition)
    lines.push(`The agent’s definition differs: ${safeLine(a.definition, 12)} and ${safeLine(b.definition, 12)}`); // prettier-ignore
  for (const [name, run] of [['A', a], ['B', b]] as const) {
    if (run.redactedValues > 0)
      lines.push(`In ${name} ${run.redactedValues} value${run.redactedValues === 1 ? ' was' : 's were'} redacted: they are compared as they stand there.`); // prettier-ignore
    if (run.alone === true && run.fork !== undefined) lines.push(`The run that ${name} was forked from is not here: they are compared from ${safeLine(run.fork.at)}.`); // prettier-ignore
    if (run.outcome === undefined) lines.push(`${name} has not ended: it is compared as far as it is.`); // prettier-ignore
  } // prettier-ignore
  return lines.join('\n');
}

function runLine(run: DiffedRun): string {
  const facts = [
    `${safeLine(run.agent)}${run.customer === '' ? '' : ` for ${safeLine(run.customer)}`}`,
    safeLine(run.state),
    ...(run.from === 'run' ? [] : [run.from === 'file' ? 'from a file' : 'imported']),
    ...(run.parent === undefined ? [] : [`a sub-agent’s run of ${safeLine(run.parent, 300)}`]),
    ...(run.fork === undefined ? [] : [`forked from ${safeLine(run.fork.run, 300)} at ${safeLine(run.fork.at)}`]), // prettier-ignore
  ];
  return `${safeLine(run.run, 300)}  ${facts.join(', ')}`;
}

function partingText(diff: RunDiff): string {
  const { sameCalls, partsAt, decisionsPartAt, same, end } = diff;
  const lines: string[] = [];
  const those = sameCalls === 1 ? 'The first call is' : `The first ${sameCalls} calls are`;
  if (partsAt === undefined) {
    const all = sameCalls === 1 ? 'The one call of both is' : `All ${sameCalls} calls are`;
    lines.push(same ? `${all} the same, and what they came to.` : `${all} the same; what they came to differs: ${end.map((each) => safeLine(describePlace(each), 80)).join(', ')}.`); // prettier-ignore
    const beside = diff.calls.filter(({ asides }) => asides.length > 0);
    if (beside.length > 0) {
      const fields = [...new Set(beside.flatMap(({ asides }) => asides.map(({ field, part }) => part === 'spelling' ? 'spelling of prompts' : field === 'attempts' ? 'tries' : field)))]; // prettier-ignore
      lines.push(`Beside that differ: ${fields.join(', ')}, at ${listed(beside.map(({ position }) => safeLine(position)))}.`); // prettier-ignore
    }
    return lines.join('\n');
  }
  if (sameCalls > 0) lines.push(`${those} the same.`);
  lines.push(`They part at ${safeLine(partsAt)}.`);
  if (decisionsPartAt === undefined)
    lines.push('Only prompts and models differ: all that was answered, done and decided is the same.'); // prettier-ignore
  else if (decisionsPartAt !== partsAt)
    lines.push(`Before ${safeLine(decisionsPartAt)} only prompts and models differ: what was answered, done or decided differs from there.`); // prettier-ignore
  return lines.join('\n');
}

const listedMax = 8;

const listed = (positions: readonly string[]): string =>
  positions.length <= listedMax
    ? positions.join(', ')
    : `${positions.slice(0, listedMax).join(', ')} and ${positions.length - listedMax} more`;

function endText({ a, b, end }: RunDiff, style: DiffStyle): string {
  const row = (what: string, text: (run: DiffedRun) => string, change = ''): string[] => [what, safeLine(text(a), 60), safeLine(text(b), 60), change]; // prettier-ignore
  const money = b.costMicroUsd - a.costMicroUsd;
  const lines = [
    table(
      ['', 'A', 'B', 'difference'],
      [
        row('outcome', outcomeWord, outcomeWord(a) === outcomeWord(b) ? '' : 'another'),
        row('steps', ({ steps }) => String(steps), signed(b.steps - a.steps)),
        row('cost', ({ costMicroUsd }) => usd(costMicroUsd), money === 0 ? '' : `${money > 0 ? '+' : '-'}${usd(Math.abs(money))}`), // prettier-ignore
        row('ceiling', ({ ceilingMicroUsd }) => usd(ceilingMicroUsd)),
        row('tokens', ({ tokens }) => String(tokens), signed(b.tokens - a.tokens)),
      ],
    ),
  ];
  if (end.length === 0 && !style.isWhole) return lines.join('\n');
  const texts = [a, b].map(endValue);
  const differs = end.length > 0;
  const [one, other] = differs && !style.isWhole ? cutAroundDifference([texts[0], texts[1]]) : [texts[0], texts[1]]; // prettier-ignore
  return [...lines, '', ...fieldLines([{ label: a.output === undefined && b.output === undefined ? 'because' : 'output', differs, a: one, b: other }], style.width)].join('\n'); // prettier-ignore
}

const outcomeWord = ({ outcome, state }: DiffedRun): string =>
  outcome?.kind === 'stopped'
    ? `stopped (${outcome.because})`
    : outcome?.kind === 'failed'
      ? `failed (${outcome.failure.type})`
      : state;

function endValue({ outcome, output }: DiffedRun): string | undefined {
  if (outcome?.kind === 'stopped') return outcome.detail;
  if (outcome?.kind === 'failed') return outcome.failure.message;
  return output === undefined ? undefined : valueText(output);
}

const signed = (difference: number): string =>
  difference === 0 ? '' : difference > 0 ? `+${difference}` : String(difference);
