/** One run of a recording, rerun: followed as far as it goes, then on by content, and what came of it. */
import type { RunOutcome } from '../../contracts/agent-run.ts';
import { message } from '../../contracts/messages.ts';
import type { EntryRef } from '../../contracts/agent-run.ts';
import type { Position } from '../../contracts/positions.ts';
import { sha256 } from '../../storage/hash.ts';
import { differenceText } from '../replay/difference-text.ts';
import { readExported } from '../replay/read-exported.ts';
import type { StrictReplay } from '../replay/strict-replay.ts';
import { follow, type ReplayedMoment } from './follow.ts';
import { goOn } from './go-on.ts';
import type { RecordedRun } from './recorded-run.ts';
import { RecordedRequests, RecordedTools, type ToolUse } from './recorded-tools.ts';
import type { RerunMode, RerunOutput, RerunResult, RerunVerdict, StoppedAt } from './rerun-result.ts'; // prettier-ignore
import { Rerunning, type RerunSettings, RerunStopped } from './rerunning.ts';
import type { TodaysAgent } from './todays-agent.ts';
import { Unheard } from './unheard-words.ts';
import { type WordOfPerson, wordsOfPeople } from './words-of-people.ts';

export async function rerunOne(
  recorded: RecordedRun,
  today: TodaysAgent,
  settings: RerunSettings,
  strict: Pick<StrictReplay, 'replay'>,
): Promise<RerunResult> {
  const moments: ReplayedMoment[] = [];
  const { executions } = recorded.histories;
  if (executions.length === 0)
    return notRerun(recorded, settings.mode, 'The recording holds no history of it: its workflow had not started.'); // prettier-ignore
  const replayed = await strict.replay(
    { workflowId: recorded.run, executions },
    {
      launched: (launch) => moments.push({ kind: 'launched', ...launch }),
      replied: (reply) => moments.push({ kind: 'replied', ...reply }),
    },
  );
  if (replayed.difference !== undefined)
    return notRerun(
      recorded,
      settings.mode,
      `Today's workflow code would not have gone this way, or the history was changed. ${differenceText(replayed.difference)}`,
    );
  const rerun = new Rerunning(recorded, today, settings);
  let stopped: StoppedAt | undefined;
  let outcome: RunOutcome | undefined;
  try {
    outcome = await carryOut(rerun, moments);
  } catch (error) {
    if (!(error instanceof RerunStopped)) throw error;
    stopped = error.at;
  }
  return toResult(rerun, outcome, stopped);
}

async function carryOut(
  rerun: Rerunning,
  moments: readonly ReplayedMoment[],
): Promise<RunOutcome | undefined> {
  const { recorded } = rerun;
  const launched = moments.filter((moment) => moment.kind === 'launched');
  const isTool = ({ state, position }: (typeof launched)[number]): boolean =>
    state.calls.some((call) => call.position === position);
  const tools = new RecordedTools(recorded, usesOf(launched.filter(isTool)), settledOf(launched));
  const parted = await follow(rerun, moments, tools);
  if (parted === undefined) return recorded.outcome;
  // Strict is to show the first difference, and nothing that came of it.
  if (rerun.settings.mode === 'strict') return undefined;
  const models = launched
    .filter((launch) => !isTool(launch))
    .map((launch) => ({ ...launch, step: launch.state.step }));
  const words = [...wordsOfPeople(readExported(recorded.histories)[0], models)];
  const halt = haltByFlag(recorded, words, models.at(-1)?.step ?? 0, models.length - 1);
  const requests = new RecordedRequests(recorded.requests);
  const at = rerun.calls.at(-1)?.position ?? '';
  const partedAtMs = recorded.attemptsAt(at)[0]?.startedAtMs ?? 0;
  for (const { position, openedAtMs } of recorded.requests)
    if (openedAtMs <= partedAtMs) requests.markTaken(position);
  return goOn(rerun, parted, {
    tools,
    requests,
    words: new Unheard([...words, ...halt], rerun.calls.length - 1),
  });
}

const usesOf = (
  launches: readonly Extract<ReplayedMoment, { readonly kind: 'launched' }>[],
): readonly ToolUse[] => {
  // prettier-ignore
  const uses = new Map<Position, ToolUse>();
  for (const { state, position } of launches) {
    const call = state.calls.find((candidate) => candidate.position === position);
    if (call === undefined || uses.has(position)) continue;
    const { tool, argumentsHash } = call.proposed;
    uses.set(position, { position, tool, argumentsHash });
  }
  return [...uses.values()];
};

/** What models were told of calls, by position. */
function settledOf(launches: readonly Extract<ReplayedMoment, { readonly kind: 'launched' }>[]) {
  const settled = new Map<Position, EntryRef>();
  for (const { state } of launches) for (const entry of state.entries) settled.set(entry.at, entry);
  return settled;
}

/** A halt that came by a stop flag is in no message: it was met by the last call. */
function haltByFlag(
  { outcome }: RecordedRun,
  words: readonly WordOfPerson[],
  step: number,
  call: number,
): readonly WordOfPerson[] {
  if (outcome?.kind !== 'stopped' || outcome.because !== 'halted') return [];
  if (words.some(({ name }) => name === message.halt)) return [];
  const given = { reason: outcome.detail, by: 'flag', flagged: true };
  return [{ name: message.halt, given, via: 'signal', call, step, isDuringCall: true }];
}

export function notRerun(recorded: RecordedRun, mode: RerunMode, because: string): RerunResult {
  const { run, agent, outcome, steps } = recorded;
  const before = costBefore(recorded);
  const output = recordedOutput(recorded);
  return {
    run,
    agent,
    mode,
    verdict: 'not-rerun',
    because,
    outcome: { recorded: outcomeName(outcome) },
    output: output === undefined ? {} : { recorded: output },
    steps: { recorded: steps, now: 0 },
    cost: { ...before, afterMicroUsd: 0, afterTokens: 0, liveMicroUsd: 0 },
    calls: [],
  };
}

function toResult(
  rerun: Rerunning,
  outcome: RunOutcome | undefined,
  stopped: StoppedAt | undefined,
): RerunResult {
  const { recorded, settings, prompt, decision } = rerun;
  const isOver = stopped === undefined && !(settings.mode === 'strict' && decision !== undefined);
  const then = recordedOutput(recorded);
  const now =
    isOver && outcome?.kind === 'done' && rerun.output !== undefined
      ? { hash: sha256(rerun.output), text: rerun.output }
      : undefined;
  const names = { recorded: outcomeName(recorded.outcome), now: outcomeName(outcome) };
  const isSameEnd = names.recorded === names.now && then?.hash === now?.hash;
  return {
    run: recorded.run,
    agent: recorded.agent,
    mode: settings.mode,
    verdict: verdictOf({ stopped, decision, isSameEnd, isOpen: recorded.outcome === undefined }),
    ...(stopped === undefined ? {} : { stopped }),
    ...(prompt === undefined ? {} : { prompt }),
    ...(decision === undefined ? {} : { decision }),
    outcome: isOver ? names : { recorded: names.recorded },
    output: {
      ...(then === undefined ? {} : { recorded: then }),
      ...(now === undefined ? {} : { now }),
    },
    steps: { recorded: recorded.steps, now: rerun.steps },
    cost: {
      ...costBefore(recorded),
      afterMicroUsd: rerun.afterMicroUsd,
      afterTokens: rerun.afterTokens,
      liveMicroUsd: rerun.liveMicroUsd,
    },
    calls: rerun.calls,
  };
}

function verdictOf(found: {
  readonly stopped: unknown;
  readonly decision: unknown;
  readonly isSameEnd: boolean;
  readonly isOpen: boolean;
}): RerunVerdict {
  if (found.stopped !== undefined) return 'stopped';
  if (found.decision !== undefined) return 'decisions-differ';
  if (!found.isSameEnd) return 'output-changed';
  return found.isOpen ? 'open' : 'unchanged';
}

function outcomeName(outcome: RunOutcome | undefined): string {
  switch (outcome?.kind) {
    case undefined:
      return 'open';
    case 'done':
      return 'done';
    case 'stopped':
      return `stopped: ${outcome.because}`;
    case 'failed':
      return `failed: ${outcome.failure.type}`;
    default:
      return outcome satisfies never;
  }
}

function recordedOutput({ outcome, outputAt, calls }: RecordedRun): RerunOutput | undefined {
  if (outcome?.kind !== 'done') return undefined;
  return { hash: outcome.output, text: calls.get(outputAt ?? '')?.output ?? '' };
}

function costBefore({ attempts }: RecordedRun): { beforeMicroUsd: number; beforeTokens: number } {
  const own = attempts.filter(({ kind }) => kind !== 'child');
  return {
    beforeMicroUsd: own.reduce((sum, { costMicroUsd }) => sum + costMicroUsd, 0),
    beforeTokens: own.reduce((sum, { inputTokens, outputTokens }) => sum + inputTokens + outputTokens, 0), // prettier-ignore
  };
}
