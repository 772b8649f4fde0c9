import { type Position, stepOf } from '../../contracts/positions.ts';
import type { AttemptRow, CallRow, RunRow } from '../../storage/reading-runs.ts';
import type { RequestRow } from '../../storage/requests.ts';
import { duration, moment, tokens, usd } from './amounts.ts';
import { outputText } from './output-text.ts';
import { stateOf } from './runs-command.ts';
import { detailLine } from './request-text.ts';
import { indented, safeJson, safeLine, safeText } from './safe-text.ts';

export interface ShownRun {
  readonly run: RunRow;
  readonly output?: unknown;
  readonly attempts: readonly AttemptRow[];
  readonly calls: readonly Omit<CallRow, 'fragment'>[];
  readonly requests: readonly RequestRow[];
  /** Runs that share its beginning. */
  readonly forks?: readonly RunRow[];
}

/** A run for a person: its state, its steps with every attempt, what was asked, what it came to. */
export function runText({ run, output, attempts, calls, requests, forks = [] }: ShownRun): string {
  const unended = calls.filter(({ state }) => state !== 'done');
  const refused = calls.flatMap((call) => call.refused);
  const steps = [
    ...new Set([...attempts, ...unended].map(({ position }) => stepOf(position))),
  ].toSorted((a, b) => a - b);
  const ofStep = <Row extends { readonly position: Position }>(
    rows: readonly Row[],
    step: number,
  ) => rows.filter(({ position }) => stepOf(position) === step);
  return [
    ...headText(run),
    ...steps.flatMap((step) => [
      `step ${step}`,
      ...ofStep(attempts, step).map(attemptLine),
      ...ofStep(refused, step).map(refusedLine),
      ...ofStep(unended, step).map(unendedLine),
      ...ofStep(requests, step).map(requestLine),
    ]),
    ...(forks.length === 0 ? [] : ['forks']),
    ...forks.map((fork) => `  ${safeLine(fork.id, 300)}  ${forkPoint(fork)}  ${stateOf(fork)}`),
    ...(output === undefined
      ? []
      : ['output', indented(outputText(output, { isOutputRead: true }))]),
  ].join('\n');
}

const forkedFrom = (run: RunRow): string => `${safeLine(run.forkOf ?? '', 300)} ${forkPoint(run)}`;

/** Where a fork begins, and what was changed there. */
export const forkPoint = ({ forkAt, forkEdit }: RunRow): string =>
  `at ${safeLine(forkAt ?? '', 60)}${forkEdit === null ? '' : ` (${safeLine(forkEdit, 300)})`}`;

function headText(run: RunRow): string[] {
  const tookMs = (run.endedAt ?? new Date()).getTime() - run.createdAt.getTime();
  const lines = [
    `run       ${safeLine(run.id, 300)}`,
    `state     ${stateOf(run)}`,
    `agent     ${safeLine(run.agent)}${run.customer === '' ? '' : ` for ${safeLine(run.customer)}`}${run.key === null ? '' : `, key ${safeLine(run.key)}`}`,
    `started   ${moment(run.createdAt)} UTC, ${run.endedAt === null ? 'for' : 'took'} ${duration(tookMs)}`,
    `cost      ${usd(run.costMicroUsd)} of ${usd(run.ceilingMicroUsd)}${run.reservedMicroUsd === 0 ? '' : `, ${usd(run.reservedMicroUsd)} reserved`}, ${tokens(run.tokens)}`,
  ];
  if (run.importedAt !== null) lines.push(`imported  ${moment(run.importedAt)} UTC: read-only`);
  if (run.forkOf !== null) lines.push(`forked    from ${forkedFrom(run)}`);
  if (run.parent !== null) lines.push(`parent    ${safeLine(run.parent, 300)}`);
  if (run.outcome?.kind === 'stopped') lines.push(`because   ${safeText(run.outcome.detail)}`);
  if (run.outcome?.kind === 'failed')
    lines.push(`failure   ${safeText(run.outcome.failure.message)}`);
  return lines;
}

export function attemptLine(attempt: AttemptRow): string {
  const facts = [
    ...(attempt.number === 1 ? [] : [`attempt ${attempt.number}`]),
    attempt.outcome,
    ...(attempt.code === null ? [] : [safeLine(attempt.code)]),
    ...(attempt.inputTokens === null
      ? []
      : [`${attempt.inputTokens}+${attempt.outputTokens ?? 0} tokens`]),
    ...(attempt.costMicroUsd === 0 ? [] : [usd(attempt.costMicroUsd)]),
    ...(attempt.latencyMs === null ? [] : [duration(attempt.latencyMs)]),
    ...(attempt.finishReason === null ? [] : [safeLine(attempt.finishReason)]),
    ...(attempt.status === null || attempt.status === 200 ? [] : [`HTTP ${attempt.status}`]),
    ...(attempt.choice === null
      ? []
      : [
          `${attempt.tier === null ? '' : `${safeLine(attempt.tier)}, `}${safeLine(attempt.choice, 400)}`,
        ]),
    ...(attempt.requestId === null ? [] : [safeLine(attempt.requestId, 80)]),
    ...(attempt.detail === null ? [] : [detailLine(attempt.detail, 300)]),
  ];
  return `  ${attempt.position.padEnd(14)} ${safeLine(attempt.model ?? attempt.name, 60).padEnd(20)} ${facts.join('  ')}`;
}

const unendedLine = (call: Omit<CallRow, 'fragment'>): string =>
  `  ${call.position.padEnd(14)} ${safeLine(call.name, 60).padEnd(20)} ${call.state}, attempt ${call.attempt}, since ${moment(call.claimedAt)} UTC by ${safeLine(call.worker)}`;

export const refusedLine = (call: CallRow['refused'][number]): string =>
  `  ${call.position.padEnd(14)} ${safeLine(call.tool, 60).padEnd(20)} did not run: ${safeLine(call.code)}  ${safeLine(call.message, 300)}`;

const requestLine = (request: RequestRow): string =>
  `  ${request.position.padEnd(14)} ${safeLine(request.tool, 60).padEnd(20)} ${
    request.state === 'open'
      ? `waits for a human until ${moment(request.deadline)} UTC`
      : `${request.state}${request.closedBy === null ? '' : ` by ${safeLine(request.closedBy)}`}${request.reason === null ? '' : `: ${safeLine(request.reason)}`}`
  }${editLines(request)}`;

/** Whole, as those that were asked about are: what ran is not what the model wrote. */
export const editLines = ({ editedArguments }: RequestRow): string =>
  editedArguments === null
    ? ''
    : `\n    with other arguments:\n${indented(safeJson(editedArguments), '      ')}`;
