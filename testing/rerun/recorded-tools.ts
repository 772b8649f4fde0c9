/** Results of recorded tool calls and decisions on recorded requests, found by content: the n-th equal one gets the n-th. */
import type { EntryRef, Hash, ToolErrorNote } from '../../contracts/agent-run.ts';
import { toolErrorCode } from '../../contracts/agent-run.ts';
import type { Position } from '../../contracts/positions.ts';
import { contentOf } from '../../storage/transcript.ts';
import type { RecordedRequest, RecordedRun } from './recorded-run.ts';

/** A tool call that was started in the recorded run. */
export interface ToolUse {
  readonly position: Position;
  readonly tool: string;
  readonly argumentsHash: Hash;
}

export type RecordedResult = { readonly position: Position; readonly costMicroUsd: number } & (
  | { readonly kind: 'done'; readonly content: string; readonly isFailure: boolean }
  /** The model was told why it came to nothing. */
  | { readonly kind: 'error'; readonly error: ToolErrorNote }
  /** Its attempts were used up; what was tried in its place is a call of its own. */
  | { readonly kind: 'exhausted'; readonly error: ToolErrorNote }
);

/** What a stop or a message cut short holds no result. */
const cutShort: readonly string[] = [toolErrorCode.halted, toolErrorCode.interrupted];

export class RecordedTools {
  readonly #recorded: RecordedRun;
  readonly #uses: readonly ToolUse[];
  readonly #settled: ReadonlyMap<Position, EntryRef>;
  readonly #taken = new Set<Position>();

  /** @param settled  What the model was told of a call, by the call's position. */
  constructor(
    recorded: RecordedRun,
    uses: readonly ToolUse[],
    settled: ReadonlyMap<Position, EntryRef>,
  ) {
    this.#recorded = recorded;
    this.#uses = uses;
    this.#settled = settled;
  }

  /** The result at a position was given: an equal call gets the next. */
  markTaken(position: Position): void {
    this.#taken.add(position);
  }

  take(tool: string, argumentsHash: Hash): RecordedResult | undefined {
    for (const use of this.#uses) {
      if (use.tool !== tool || use.argumentsHash !== argumentsHash) continue;
      if (this.#taken.has(use.position)) continue;
      this.#taken.add(use.position);
      const found = this.#resultOf(use);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  #resultOf({ position }: ToolUse): RecordedResult | undefined {
    const call = this.#recorded.calls.get(position);
    const attempts = this.#recorded.attemptsAt(position);
    const costMicroUsd = attempts.reduce((sum, attempt) => sum + attempt.costMicroUsd, 0);
    const base = { position, costMicroUsd };
    if (call?.isDone === true && call.fragment !== undefined)
      return {
        ...base,
        kind: 'done',
        content: contentOf(call.fragment),
        isFailure: call.answer?.kind === 'done' && call.answer.status === 'failed',
      };
    const told = this.#settled.get(position);
    if (told !== undefined && 'error' in told)
      return cutShort.includes(told.error.code)
        ? undefined
        : { ...base, kind: 'error', error: told.error };
    const said = this.#recorded.toldAt(position);
    if (said !== undefined)
      return cutShort.some((code) => said.startsWith(`{"error":{"code":"${code}"`))
        ? undefined
        : { ...base, kind: 'done', content: said, isFailure: true };
    const last = attempts.at(-1);
    if (last?.code == null || cutShort.includes(last.code)) return undefined;
    return {
      ...base,
      kind: 'exhausted',
      error: {
        code: last.code,
        message: last.detail?.split('\n')[0] ?? last.code,
        retryable: true,
        attempts: attempts.length,
      },
    };
  }
}

export class RecordedRequests {
  readonly #requests: readonly RecordedRequest[];
  readonly #taken = new Set<Position>();

  constructor(requests: readonly RecordedRequest[]) {
    this.#requests = requests;
  }

  /** The run had come to it before the rerun went its own way. */
  markTaken(position: Position): void {
    this.#taken.add(position);
  }

  take(
    about: Pick<RecordedRequest, 'kind' | 'about' | 'tool' | 'argumentsHash'>,
  ): RecordedRequest | undefined {
    const found = this.#requests.find(
      (request) =>
        !this.#taken.has(request.position) &&
        request.kind === about.kind &&
        request.about === about.about &&
        request.tool === about.tool &&
        request.argumentsHash === about.argumentsHash,
    );
    if (found !== undefined) this.#taken.add(found.position);
    return found;
  }
}
