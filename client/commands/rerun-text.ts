/** What a rerun found, for a person. Text in it is foreign: escape it for a terminal. */
import { limits } from '../../contracts/limits.ts';
import type {
  RerunResult,
  RerunVerdict,
  SideBySide,
  StoppedAt,
} from '../../testing/rerun/rerun-result.ts';
import { tokens, usd } from './amounts.ts';
import { table } from './table.ts';

/** Nothing would be another today, as far as the recording reaches. */
export const isSame = ({ verdict, history }: RerunResult): boolean =>
  history === undefined && (verdict === 'unchanged' || verdict === 'open');

export const verdictWords: Readonly<Record<RerunVerdict, string>> = {
  unchanged: 'unchanged',
  'decisions-differ': 'decisions differ',
  'output-changed': 'output changed',
  stopped: 'stopped',
  open: 'the same as far as it goes: the run has not ended',
  'not-rerun': 'not rerun',
};

/** One result in a few lines, the two sides of a difference below each other. */
export function rerunText(result: RerunResult): string {
  const { run, mode, verdict, because, prompt, decision, stopped, output, outcome, history } =
    result;
  const { nothingLive } = result;
  const lines = [`Run ${run}, ${mode}: ${verdictWords[verdict]}.`];
  if (because !== undefined) return [...lines, `  ${because}`].join('\n');
  if (decision !== undefined)
    lines.push(
      `First other decision at ${decision.position}: ${decision.why}.`,
      ...sides(decision),
    );
  if (prompt !== undefined)
    lines.push(
      `First other prompt at ${prompt.position}${prompt.path === '' ? '' : `, ${prompt.path}`}:`,
      ...sides(prompt),
    );
  if (stopped !== undefined) lines.push(...stopText(stopped));
  if (history !== undefined)
    lines.push(`Its history does not replay, so it was rerun by content. ${history}`);
  if (outcome.now !== undefined && outcome.now !== outcome.recorded)
    lines.push('Ended otherwise:', ...sides({ recorded: outcome.recorded, now: outcome.now }));
  else if (output.now !== undefined && output.now.hash !== output.recorded?.hash)
    lines.push(
      'Another output:',
      ...sides({ recorded: parsed(output.recorded?.text), now: parsed(output.now.text) }),
    );
  else if (output.now !== undefined) lines.push(`The same output, SHA-256 ${output.now.hash}.`);
  if (nothingLive !== undefined) lines.push(nothingLive);
  lines.push(callsText(result), costText(result));
  return lines.join('\n');
}

function stopText({
  position,
  what,
  tool,
  arguments: given,
  because,
}: StoppedAt): readonly string[] {
  const about = tool === undefined ? '' : ` \`${tool}\``;
  return [
    `Stopped at ${position} (${what}${about}): ${because}`,
    ...(given === undefined ? [] : [`  arguments ${shown(given)}`]),
  ];
}

const sides = ({ recorded, now }: SideBySide): readonly string[] => [
  `  recorded  ${shown(recorded)}`,
  `  now       ${shown(now)}`,
];

function shown(value: unknown): string {
  const text = value === undefined ? '(nothing)' : JSON.stringify(value);
  const max = limits.rerunValueCharsMax;
  return text.length > max ? `${text.slice(0, max)}… (${text.length} characters)` : text;
}

const parsed = (text: string | undefined): unknown =>
  text === undefined || text === '' ? undefined : (JSON.parse(text) as unknown);

const counted = (count: number, what: string): string =>
  `${count} ${what}${count === 1 ? '' : 's'}`;

function callsText({ steps, calls }: RerunResult): string {
  const live = calls.filter(({ reply }) => reply === 'live').length;
  const compared = calls.filter(({ recorded }) => recorded !== undefined);
  const same = compared.filter(({ recorded, now }) => recorded === now).length;
  return `${counted(steps.now, 'step')} (recorded ${steps.recorded}); ${counted(calls.length, 'model call')}, ${live} live; ${same} of ${compared.length} prompts the same.`;
}

function costText({ cost }: RerunResult): string {
  const { beforeMicroUsd, afterMicroUsd, liveMicroUsd, beforeTokens, afterTokens } = cost;
  const spent = liveMicroUsd === 0 ? '' : `; ${usd(liveMicroUsd)} spent on this rerun`;
  return `Cost ${usd(beforeMicroUsd)} (${tokens(beforeTokens)}), now ${usd(afterMicroUsd)} (${tokens(afterTokens)})${spent}.`;
}

/** Of many: how many of each verdict, why decisions differ and where, and the cost. */
export function summaryText(results: readonly RerunResult[]): string {
  const counts = tally(results.map(({ verdict }) => verdict));
  const rows = Object.keys(verdictWords)
    .filter((verdict) => counts.has(verdict) || verdict === 'unchanged')
    .map((verdict) => [verdictWords[verdict as RerunVerdict], String(counts.get(verdict) ?? 0)]);
  const parts = [table(['verdict', 'runs'], rows)];
  const add = (head: string, reasons: readonly string[]): void => {
    if (reasons.length > 0) parts.push(table([head, 'runs'], top(reasons)));
  };
  add(
    'first other decision',
    results.flatMap(({ decision }) =>
      decision === undefined ? [] : [`${decision.position}  ${decision.why}`],
    ),
  );
  add(
    'stopped',
    results.flatMap(({ stopped }) =>
      stopped === undefined
        ? []
        : [
            `${stopped.position}  ${stopped.what}${stopped.tool === undefined ? '' : ` ${stopped.tool}`}`,
          ],
    ),
  );
  add(
    'history does not replay',
    results.flatMap(({ history }) => (history === undefined ? [] : [history.split('\n')[0] ?? ''])),
  );
  add(
    'nothing was live',
    results.flatMap((result) => (result.nothingLive === undefined ? [] : [result.nothingLive])),
  );
  add(
    'not rerun',
    results.flatMap(({ because }) => (because === undefined ? [] : [because])),
  );
  const sum = (of: (cost: RerunResult['cost']) => number): number =>
    results
      .filter(({ verdict }) => verdict !== 'not-rerun')
      .reduce((all, { cost }) => all + of(cost), 0);
  const [before, after, live] = [
    sum((cost) => cost.beforeMicroUsd),
    sum((cost) => cost.afterMicroUsd),
    sum((cost) => cost.liveMicroUsd),
  ];
  parts.push(
    `Cost before ${usd(before)} (${tokens(sum((cost) => cost.beforeTokens))}), after ${usd(after)} (${tokens(sum((cost) => cost.afterTokens))}); spent on these reruns: ${usd(live)}.`,
  );
  return parts.join('\n\n');
}

function tally(names: readonly string[]): ReadonlyMap<string, number> {
  const counts = new Map<string, number>();
  for (const name of names) counts.set(name, (counts.get(name) ?? 0) + 1);
  return counts;
}

const reasonCharsMax = 100;

/** The most frequent first, then in order. */
function top(reasons: readonly string[]): readonly (readonly string[])[] {
  const sorted = [...tally(reasons)].toSorted(
    ([left, lefts], [right, rights]) => rights - lefts || (left < right ? -1 : 1),
  );
  const more = sorted.length - limits.rerunReasonsMax;
  return [
    ...sorted
      .slice(0, limits.rerunReasonsMax)
      .map(([reason, count]) => [
        reason.slice(0, reasonCharsMax).replaceAll('\n', ' '),
        String(count),
      ]),
    ...(more > 0 ? [[`and ${more} more`, '']] : []),
  ];
}
