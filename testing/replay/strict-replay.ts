/**
 * Strict replay: a run's history on today's workflow code, every command compared with its payload.
 *
 * Temporal's own replay compares the kind, id and type of commands. Here an interceptor, which only
 * the replay bundle has, tells what is decided, and that is compared with the history's events, field by
 * field, decoded. What cannot be compared is in `docs/replay.md`.
 */
import type { History } from '@temporalio/common/lib/proto-utils.js';
import type { InjectedSinks, ReplayResult, ReplayWorkerOptions } from '@temporalio/worker';
import type { EntryRef } from '../../contracts/agent-run.ts';
import { limits } from '../../contracts/limits.ts';
import type { Position } from '../../contracts/positions.ts';
import type { RunState } from '../../rules/run-state.ts';
import type { ReplaySinks } from '../../workflows/watch-replay.ts';
import { compareCommands } from './compare-commands.ts';
import { compareExecutions } from './compare-executions.ts';
import type { ReplayDifference } from './difference.ts';
import { readExported, type ReplayInput, type RunHistory } from './read-exported.ts';
import { recordedCommands, type RecordedExecution } from './recorded-commands.ts';
import { TodaysCommands } from './todays-commands.ts';

/** What a call was launched with. */
export interface Launch {
  readonly run: string;
  readonly execution: number;
  readonly taskStartedEventId: number;
  readonly position: Position;
  readonly state: RunState;
}

/** How a call that a model asked for ended, as the model is told. */
export interface Settled {
  readonly run: string;
  readonly execution: number;
  readonly taskStartedEventId: number;
  readonly position: Position;
  readonly result: EntryRef;
}

/** What came of a model's reply that the run took. */
export interface Replied {
  readonly run: string;
  readonly position: Position;
  readonly state: RunState;
}

/** Told while a run is replayed, in the order in which it happened. */
export interface ReplayListener {
  readonly launched?: (launch: Launch) => void;
  readonly settled?: (settled: Settled) => void;
  readonly replied?: (reply: Replied) => void;
  /** A difference that is none to whoever listens: the replay goes on with the next execution. */
  readonly tolerates?: (difference: FoundDifference) => boolean;
}

export type FoundDifference = Omit<ReplayDifference, 'run' | 'execution' | 'runId'>;

export interface Replayed {
  readonly run: string;
  /** Its own, and of a recording those of its sub-agents. */
  readonly runs: number;
  readonly executions: number;
  readonly events: number;
  /** Commands that were compared. */
  readonly commands: number;
  /** Of a recording: what was redacted in payloads of its histories, which are compared as they stand. */
  readonly redacted?: { readonly executions: number; readonly values: number };
  readonly difference?: ReplayDifference;
}

interface Present {
  readonly todays: TodaysCommands;
  readonly run: string;
  readonly execution: number;
}

/** Replays runs one after the other, on one worker: making one costs more than most replays. */
export class StrictReplay {
  readonly #results: AsyncIterator<ReplayResult>;
  readonly #queue = new HistoryQueue();
  #present: Present | undefined;
  #listener: ReplayListener = {};

  /** @param results  Makes Temporal's replay of the histories that it is given. */
  constructor(
    results: (
      sinks: InjectedSinks<ReplaySinks>,
      histories: AsyncIterable<QueuedHistory>,
    ) => AsyncIterable<ReplayResult>,
  ) {
    this.#results = results(this.#sinks(), this.#queue)[Symbol.asyncIterator]();
  }

  /** @throws TypeError, RecordingDamaged  The input is no history. */
  async replay(input: ReplayInput, listener: ReplayListener = {}): Promise<Replayed> {
    const runs = readExported(input);
    this.#listener = listener;
    let sum: Replayed = { run: runs[0].run, runs: 0, executions: 0, events: 0, commands: 0, ...redactedOf(runs) }; // prettier-ignore
    for (const run of runs) {
      sum = { ...sum, runs: sum.runs + 1 };
      for (const [index, { history, runId }] of run.executions.entries()) {
        const recorded = recordedCommands(history.events ?? [], run.run);
        sum = {
          ...sum,
          executions: sum.executions + 1,
          events: sum.events + (history.events?.length ?? 0),
          commands: sum.commands + recorded.commands.length,
        };
        const found =
          compareExecutions(run, index) ?? (await this.#replayOne(run, index, recorded));
        if (found === undefined || listener.tolerates?.(found) === true) continue;
        const where = { run: run.run, execution: index + 1 };
        const difference = { ...found, ...where, ...(runId === undefined ? {} : { runId }) };
        return { ...sum, difference };
      }
    }
    return sum;
  }

  async close(): Promise<void> {
    this.#queue.end();
    await this.#results.next();
  }

  async #replayOne(run: RunHistory, index: number, recorded: RecordedExecution) {
    const todays = new TodaysCommands(recorded.own, run.run);
    this.#present = { todays, run: run.run, execution: index + 1 };
    this.#queue.push({ history: run.executions[index]?.history ?? {}, workflowId: run.run });
    const result = await this.#results.next();
    this.#present = undefined;
    if (result.done === true) throw new Error('The replaying worker ended before its histories.');
    return compareCommands(recorded, todays.commands, refusalIn(result.value.error));
  }

  #where(taskStartedEventId: number) {
    const { run = '', execution = 0 } = this.#present ?? {};
    return { run, execution, taskStartedEventId };
  }

  #sinks(): InjectedSinks<ReplaySinks> {
    return {
      belayerReplay: {
        commands: {
          fn: (info, task, commands) => this.#present?.todays.add(task, commands, info.taskQueue),
          callDuringReplay: true,
        },
        launched: {
          fn: (_info, taskStartedEventId, position, state) =>
            this.#listener.launched?.({ ...this.#where(taskStartedEventId), position, state }),
          callDuringReplay: true,
        },
        settled: {
          fn: (_info, taskStartedEventId, position, result) =>
            this.#listener.settled?.({ ...this.#where(taskStartedEventId), position, result }),
          callDuringReplay: true,
        },
        replied: {
          fn: (_info, position, state) =>
            this.#listener.replied?.({ run: this.#present?.run ?? '', position, state }),
          callDuringReplay: true,
        },
      },
    };
  }
}

/** Of the whole file, however far the replay comes. */
function redactedOf(runs: readonly RunHistory[]): Pick<Replayed, 'redacted'> {
  const counts = runs.flatMap(({ executions }) =>
    executions.flatMap(({ redactedValues }) => redactedValues ?? []),
  );
  if (counts.length === 0) return {};
  const values = counts.reduce((sum, count) => sum + count, 0);
  return { redacted: { executions: counts.length, values } };
}

/** What Temporal says, without the dump of its native core that it is wrapped in. */
function refusalIn(error: Error | undefined): string | undefined {
  if (error === undefined) return undefined;
  const [, said] = /message: "((?:[^"\\]|\\.)*)"/.exec(error.message) ?? [];
  const text = (said ?? error.message).replaceAll('\\n', ' ').replaceAll(/\\(.)/g, '$1');
  return `${error.name}: ${text.slice(0, limits.replayValueCharsMax)}`;
}

export interface QueuedHistory {
  readonly history: History;
  readonly workflowId: string;
}

/** Hands histories to Temporal's replay one at a time, as they come. */
class HistoryQueue implements AsyncIterable<QueuedHistory> {
  #waiting: QueuedHistory | undefined;
  #isEnded = false;
  #wake: () => void = () => undefined;

  push(history: QueuedHistory): void {
    this.#waiting = history;
    this.#wake();
  }

  end(): void {
    this.#isEnded = true;
    this.#wake();
  }

  async *[Symbol.asyncIterator](): AsyncIterator<QueuedHistory> {
    for (;;) {
      if (this.#waiting !== undefined) {
        const next = this.#waiting;
        this.#waiting = undefined;
        yield next;
      } else if (this.#isEnded) return;
      else await new Promise<void>((resolve) => (this.#wake = resolve));
    }
  }
}

/** Loads the engine and makes a replaying worker. No server is needed. */
export async function startStrictReplay(): Promise<StrictReplay> {
  const { Worker } = await import('@temporalio/worker');
  const { workflowBundle } = await import('../../workers/workflow-bundle.ts');
  const { cacheFolder } = await import('../../servers/cache-folder.ts');
  const codePath = await workflowBundle(cacheFolder(), 'replay');
  return new StrictReplay((sinks, histories) => {
    const options: ReplayWorkerOptions = { workflowBundle: { codePath }, sinks };
    return Worker.runReplayHistories(options, histories);
  });
}
