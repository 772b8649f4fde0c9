/** One run of a recording, rerun: followed as far as it goes, then on by content, and what came of it. */
import type { RunOutcome } from '../../contracts/agent-run.ts';
import { message } from '../../contracts/messages.ts';
import type { EntryRef } from '../../contracts/agent-run.ts';
import type { Position } from '../../contracts/positions.ts';
import { firstState } from '../../rules/run-state.ts';
import { sha256 } from '../../storage/hash.ts';
import type { ReplayDifference } from '../replay/difference.ts';
import { differenceText } from '../replay/difference-text.ts';
import { readExported } from '../replay/read-exported.ts';
import type { FoundDifference, StrictReplay } from '../replay/strict-replay.ts';
import { follow, type ReplayedMoment } from './follow.ts';
import { type Ahead, goOn } from './go-on.ts';
import { ownAttempts, type RecordedRun } from './recorded-run.ts';
import { RecordedRequests, RecordedTools, type ToolUse } from './recorded-tools.ts';
import type {
  RerunMode,
  RerunOutput,
  RerunResult,
  RerunVerdict,
  StoppedAt,
} from './rerun-result.ts';
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
  if (recorded.histories.executions.length === 0)
    return notRerun(
      recorded,
      settings.mode,
      'The recording holds no history of it: its workflow had not started.',
    );
  const { moments, difference } = await replayMoments(recorded, strict);
  const history = difference === undefined ? undefined : differenceText(difference);
  const rerun = new Rerunning(recorded, today, settings);
  let stopped: StoppedAt | undefined;
  let outcome: RunOutcome | undefined;
  try {
    outcome =
      history === undefined ? await carryOut(rerun, moments) : await byContent(rerun, moments);
  } catch (error) {
    if (!(error instanceof RerunStopped)) throw error;
    stopped = error.at;
  }
  if (history !== undefined && stopped !== undefined && settings.mode === 'strict')
    return notRerun(
      recorded,
      settings.mode,
      `Its history does not replay, and without it the rerun comes to an end at ${stopped.position}: ${stopped.because} ${history}`,
    );
  const result = toResult(rerun, outcome, stopped);
  return history === undefined ? result : { ...result, history };
}

/** From the first call without the history: today's workflow code would have gone another way. */
async function byContent(
  rerun: Rerunning,
  moments: readonly ReplayedMoment[],
): Promise<RunOutcome | undefined> {
  const [first] = moments;
  if (first === undefined)
    throw new RerunStopped({
      position: '1',
      what: 'recording',
      because: 'Its history does not even come to its first call.',
    });
  const { recorded, today } = rerun;
  const { input, startedAtMs, transcript } = first.state;
  await rerun.begin(transcript);
  return goOn(rerun, firstState(today.input(input), startedAtMs), {
    tools: recordedTools(recorded, moments),
    ...peopleAhead(recorded, moments, -1),
  });
}

/**
 * Working time as it was carried on. A workflow task that is prolonged for near calls has a later time when it
 * runs than when it is replayed, and nothing but this figure rests on it.
 */
const isClock = ({ what, path = '' }: FoundDifference): boolean =>
  what === 'value' && /\.carried(\.session)?\.(workedMs|idleSinceMs)$/.test(path);

/** What a replay of the run's histories tells, in order. Exported for tests. */
export async function replayMoments(
  { run, histories }: RecordedRun,
  strict: Pick<StrictReplay, 'replay'>,
): Promise<{
  readonly moments: readonly ReplayedMoment[];
  readonly difference?: ReplayDifference;
}> {
  const moments: ReplayedMoment[] = [];
  const { difference } = await strict.replay(
    { workflowId: run, executions: histories.executions },
    {
      launched: (launch) => moments.push({ kind: 'launched', ...launch }),
      replied: (reply) => moments.push({ kind: 'replied', ...reply }),
      tolerates: isClock,
    },
  );
  return { moments, ...(difference === undefined ? {} : { difference }) };
}

async function carryOut(
  rerun: Rerunning,
  moments: readonly ReplayedMoment[],
): Promise<RunOutcome | undefined> {
  const { recorded, settings, calls } = rerun;
  const tools = recordedTools(recorded, moments);
  const parted = await follow(rerun, moments, tools);
  if (parted === undefined) return recorded.outcome;
  // Strict is to show the first difference, and nothing that came of it.
  if (settings.mode === 'strict') return undefined;
  return goOn(rerun, parted, { tools, ...peopleAhead(recorded, moments, calls.length - 1) });
}

const launchesIn = (moments: readonly ReplayedMoment[]) =>
  moments.filter((moment) => moment.kind === 'launched');
const isTool = ({ state, position }: ReplayedMoment): boolean =>
  state.calls.some((call) => call.position === position);

/** Exported for tests. */
export function recordedTools(
  recorded: RecordedRun,
  moments: readonly ReplayedMoment[],
): RecordedTools {
  const launches = launchesIn(moments);
  const uses = usesOf(launches.filter(isTool));
  const known = new Set(uses.map(({ position }) => position));
  // Those that a history which does not replay did not come to.
  const others = [...recorded.calls.values()]
    .filter(({ kind, position }) => kind !== 'model' && !known.has(position))
    .map(({ position, name, requestHash }) => ({
      position,
      tool: name,
      argumentsHash: requestHash,
    }));
  return new RecordedTools(recorded, [...uses, ...others], settledOf(launches));
}

/**
 * What people said and decided behind a model call, counted from 0, that the recorded run made.
 * Exported for tests.
 */
export function peopleAhead(
  recorded: RecordedRun,
  moments: readonly ReplayedMoment[],
  from: number,
): Pick<Ahead, 'requests' | 'words'> {
  const models = moments
    .filter((moment) => moment.kind === 'replied' || !isTool(moment))
    .flatMap((moment, index, { [index + 1]: next }) =>
      moment.kind === 'launched'
        ? [{ ...moment, step: moment.state.step, isAnswered: next?.kind === 'replied' }]
        : [],
    );
  const words = wordsOfPeople(readExported(recorded.histories)[0], models);
  const halt = haltByFlag(recorded, words, models.at(-1)?.step ?? 0, models.length - 1);
  const requests = new RecordedRequests(recorded.requests);
  const partedAtMs = recorded.attemptsAt(models[from]?.position ?? '')[0]?.startedAtMs ?? 0;
  for (const { position, openedAtMs } of recorded.requests)
    if (openedAtMs <= partedAtMs) requests.markTaken(position);
  return { requests, words: new Unheard([...words, ...halt], from) };
}

const usesOf = (
  launches: readonly Extract<ReplayedMoment, { readonly kind: 'launched' }>[],
): readonly ToolUse[] => {
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
    ...nothingLive(rerun, stopped),
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

/** Such a rerun has tried nothing, however same it is. */
function nothingLive(
  { settings: { after }, calls }: Rerunning,
  stopped: StoppedAt | undefined,
): Pick<RerunResult, 'nothingLive'> {
  if (after === undefined || stopped !== undefined) return {};
  if (calls.some(({ reply }) => reply === 'live')) return {};
  const last = calls.at(-1)?.position;
  const where = last === undefined ? 'it came to none' : `the last call is at ${last}`;
  return {
    nothingLive: `Nothing was live: no model was asked behind ${after} (${where}).`,
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
  const own = ownAttempts(attempts);
  return {
    beforeMicroUsd: own.reduce((sum, { costMicroUsd }) => sum + costMicroUsd, 0),
    beforeTokens: own.reduce(
      (sum, { inputTokens, outputTokens }) => sum + inputTokens + outputTokens,
      0,
    ),
  };
}
