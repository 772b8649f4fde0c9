/** What people say to a run: decisions, answers, pauses, steering, more budget. */
import {
  ApplicationFailure,
  type Client,
  WorkflowNotFoundError,
  WorkflowUpdateFailedError,
} from '@temporalio/client';
import { randomUUID } from 'node:crypto';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import {
  type AnswerMessage,
  type DecisionMessage,
  type DecisionReceipt,
  type ExtendBudgetMessage,
  type ExtendBudgetReceipt,
  message,
  type PauseMessage,
  type ResumeMessage,
  type SteerMessage,
} from '../contracts/messages.ts';
import { type Duration, readDuration, toMicroUsd } from '../definitions/internal.ts';
import { canonicalJson } from '../rules/canonical-json.ts';
import { budgetWords } from '../rules/budget-words.ts';
import { readRuleScope } from '../storage/budgets.ts';
import { insertDecision } from '../storage/decisions.ts';
import { sha256 } from '../storage/hash.ts';
import { refuseImported } from '../storage/imported-runs.ts';
import { requestsOf, type RequestRow } from '../storage/requests.ts';
import { checkWords, refuse, shown, wordMistakes } from './check-words.ts';
import { isUnreachable, type Parts } from './parts.ts';

export interface DecisionOptions {
  /** Who decides. Default: who connected. */
  readonly by?: string;
  readonly reason?: string;
  /** Of the arguments that the decider saw. Default: those of the open request. */
  readonly argumentsHash?: string;
  /** Names the decision: the same one sent again counts once. Default: a fresh UUID. */
  readonly id?: string;
}

export interface ApproveOptions extends DecisionOptions {
  /**
   * Other arguments to run with, whole. They must fit the tool's input; the model is told which ones
   * ran. Only before the first attempt.
   */
  readonly edit?: unknown;
}

export interface Extension {
  /** US dollars on top of the run's ceiling. */
  readonly costUsd?: number;
  readonly tokens?: number;
  readonly steps?: number;
  readonly wall?: Duration;
}

export interface Words {
  /** @throws DecisionRejected  Stale, late, decided already, by someone who may not, or about other arguments. */
  approve(request: string, options?: ApproveOptions): Promise<DecisionReceipt>;
  deny(request: string, options?: DecisionOptions): Promise<DecisionReceipt>;
  /**
   * Answers a question. Of a call whose outcome nobody knows, or of a critical one that failed: gives
   * its result, as the tool would have. Text, or any value that JSON can carry.
   */
  answer(request: string, answer: unknown, options?: DecisionOptions): Promise<DecisionReceipt>;
  /** Nothing new starts until `resume`; what is in flight ends, and requests stay answerable. */
  pause(reason: string, options?: { readonly by?: string }): Promise<void>;
  resume(options?: { readonly by?: string; readonly reason?: string }): Promise<void>;
  /** Says something to the model, with its next call: at most 2 KiB. */
  steer(text: string, options?: { readonly by?: string }): Promise<void>;
  /** Raises the run's limits by these amounts, and answers a request about its budget. */
  extendBudget(
    more: Extension,
    options?: { readonly by?: string; readonly reason?: string },
  ): Promise<ExtendBudgetReceipt>;
}

export function tellRun(parts: Parts, id: string): Words {
  const { database } = parts;
  const tell = async <Message, Receipt>(
    name: string,
    said: Message,
    about: string,
    updateId?: string,
  ): Promise<Receipt> => {
    // Two installations may share one Temporal: the workflow of this id may be of the other.
    await refuseImported(database, id);
    return updateRun(parts.temporal, id, { name, said, about, updateId });
  };

  const decided = async (
    verdict: 'approved' | 'denied' | 'answered',
    request: string,
    options: DecisionOptions,
    body?: { readonly text: string; readonly hash: string },
  ): Promise<DecisionMessage> => {
    await refuseImported(database, id);
    const argumentsHash =
      options.argumentsHash ?? (await requestOf(parts, id, request)).argumentsHash;
    const by = options.by ?? parts.by;
    const decision = options.id ?? randomUUID();
    await insertDecision(database, id, {
      id: decision,
      position: request,
      verdict,
      by,
      reason: options.reason ?? null,
      argumentsHash,
      body: body?.text ?? null,
      bodyHash: body?.hash ?? null,
    });
    const { reason } = options;
    return { request, argumentsHash, by, decision, ...(reason === undefined ? {} : { reason }) };
  };

  return {
    async approve(request, options = {}) {
      checkDecision('approve', request, options, [...decisionNames, 'edit']);
      const { edit: edited } = options;
      const edit = edited === undefined ? undefined : written('edit', canonical(edited));
      const decision = await decided('approved', request, options, edit);
      return tell(
        message.approve,
        {
          ...decision,
          ...(edit === undefined
            ? {}
            : {
                edit: {
                  argumentsHash: edit.hash,
                  ...inline('arguments', edit.text, limits.argumentsInlineBytesMax),
                },
              }),
        },
        request,
        decision.decision,
      );
    },
    async deny(request, options = {}) {
      checkDecision('deny', request, options, decisionNames);
      const decision = await decided('denied', request, options);
      return tell(message.deny, decision, request, decision.decision);
    },
    async answer(request, answer, options = {}) {
      checkDecision('answer', request, options, decisionNames);
      const body = written('answer', typeof answer === 'string' ? answer : canonical(answer));
      const decision = await decided('answered', request, options, body);
      const said: AnswerMessage = {
        ...decision,
        answer: { hash: body.hash, ...inline('text', body.text, limits.inlineTextBytesMax) },
      };
      return tell(message.answer, said, request, decision.decision);
    },
    async pause(reason, options = {}) {
      refuse('`pause`', [
        ...wordMistakes(options, { known: ['by'] }),
        ...wordMistakes({ reason }, { known: ['reason'], reason: 'needed' }),
      ]);
      const said: PauseMessage = { reason, by: options.by ?? parts.by };
      await tell(message.pause, said, 'the pause');
    },
    async resume(options = {}) {
      checkWords('resume', options, { known: ['by', 'reason'] });
      const { reason } = options;
      const said: ResumeMessage = {
        by: options.by ?? parts.by,
        ...(reason === undefined ? {} : { reason }),
      };
      await tell(message.resume, said, 'the resumption');
    },
    async steer(text, options = {}) {
      refuse('`steer`', [
        ...(typeof text === 'string' && text.trim() !== ''
          ? []
          : [`the text is ${shown(text)}; it must be a string that is not blank`]),
        ...wordMistakes(options, { known: ['by'] }),
      ]);
      const said: SteerMessage = { text, by: options.by ?? parts.by };
      await tell(message.steer, said, 'the steering');
    },
    async extendBudget(more, options = {}) {
      checkWords('extendBudget', options, { known: ['by', 'reason'] });
      const { reason } = options;
      const amounts = toAmounts(more);
      const by = options.by ?? parts.by;
      const decision = randomUUID();
      const { costMicroUsd = 0, tokens = 0, steps = 0, wallMs = 0 } = amounts;
      const body = canonicalJson({ costMicroUsd, tokens, steps, wallMs });
      await insertDecision(database, id, {
        id: decision,
        position: 'budget',
        verdict: 'extended',
        by,
        reason: reason ?? null,
        argumentsHash: '',
        body,
        bodyHash: sha256(body),
      });
      const said: ExtendBudgetMessage = {
        ...amounts,
        by,
        decision,
        ...(reason === undefined ? {} : { reason }),
      };
      const receipt = await tell<ExtendBudgetMessage, ExtendBudgetReceipt>(message.extendBudget, said, 'the extension', decision); // prettier-ignore
      if (receipt.shared === undefined) return receipt;
      const { rule, customer } = receipt.shared;
      // It is raised already: not to know its name is no failure, and to be told of one would raise it twice.
      const scope = await readRuleScope(database, rule).catch(() => undefined);
      if (scope === undefined) return receipt;
      const whose = { ...scope, customer: customer ?? scope.customer };
      return {
        ...receipt,
        shared: { ...receipt.shared, budget: budgetWords(whose), per: scope.per },
      };
    },
  };
}

const decisionNames = ['by', 'reason', 'argumentsHash', 'id'];

function checkDecision(
  call: string,
  request: unknown,
  options: unknown,
  known: readonly string[],
): void {
  refuse(`\`${call}\``, [
    ...(typeof request === 'string'
      ? []
      : [`the position of the request is ${shown(request)}; it looks like 7.2/approval`]),
    ...wordMistakes(options, { known }),
  ]);
}

const amountNames = ['costUsd', 'tokens', 'steps', 'wall'];

/** @throws InputRejected  Names every amount that does not fit. */
function toAmounts(more: Extension): Omit<ExtendBudgetMessage, 'by' | 'reason'> {
  const amounts = `an extension is an object with ${amountNames.join(', ')} or some of them`;
  if (typeof more !== 'object' || more === null || Array.isArray(more))
    refuse('`extendBudget`', [`it got ${shown(more)}; ${amounts}`]);
  const { costUsd, tokens, steps, wall } = more;
  const mistakes = Object.keys(more)
    .filter((name) => !amountNames.includes(name))
    .map((name) => `\`${name}\` is not a limit that can be raised: ${amountNames.join(', ')} are`);
  const costUsdMax = limits.runCostMicroUsdMax / 1_000_000;
  if (costUsd !== undefined && !(typeof costUsd === 'number' && toMicroUsd(costUsd) >= 1))
    mistakes.push(`\`costUsd\` is ${shown(costUsd)}; it must be a number from 0.000001`);
  else if (costUsd !== undefined && costUsd > costUsdMax)
    mistakes.push(`\`costUsd\` is ${costUsd}; a run may have at most ${costUsdMax}`);
  const whole = (name: 'tokens' | 'steps', max: number): void => {
    const value: unknown = more[name];
    if (value === undefined) return;
    if (typeof value !== 'number' || !Number.isInteger(value) || value < 1)
      mistakes.push(`\`${name}\` is ${shown(value)}; it must be a whole number from 1`);
    else if (value > max) mistakes.push(`\`${name}\` is ${value}; a run may have at most ${max}`);
  };
  whole('tokens', limits.runTokensMax);
  whole('steps', limits.runStepsMax);
  const time =
    wall === undefined
      ? undefined
      : readDuration(wall, { minMs: 1, maxMs: limits.runWallMsMax, maxName: 'runWallMsMax' });
  if (time !== undefined && 'problem' in time) mistakes.push(`\`wall\` ${time.problem}`);
  if ([costUsd, tokens, steps, wall].every((amount) => amount === undefined))
    mistakes.push(`it has no amount; ${amounts}`);
  refuse('`extendBudget`', mistakes);
  return {
    ...(costUsd === undefined ? {} : { costMicroUsd: toMicroUsd(costUsd) }),
    ...(tokens === undefined ? {} : { tokens }),
    ...(steps === undefined ? {} : { steps }),
    ...(time === undefined || 'problem' in time ? {} : { wallMs: time.ms }),
  };
}

const inline = <Name extends string>(
  name: Name,
  text: string,
  bytesMax: number,
): Partial<Record<Name, string>> =>
  Buffer.byteLength(text) <= bytesMax ? ({ [name]: text } as Record<Name, string>) : {};

function canonical(value: unknown): string {
  try {
    return canonicalJson(value);
  } catch (error) {
    throw new BelayerError(
      failureType.inputRejected,
      `It cannot be written as JSON: ${(error as Error).message}`,
      { cause: error },
    );
  }
}

function written(what: string, text: string): { readonly text: string; readonly hash: string } {
  const bytes = Buffer.byteLength(text);
  if (bytes > limits.answerBytesMax)
    throw new BelayerError(
      failureType.inputRejected,
      `The ${what} has ${bytes} bytes; at most ${limits.answerBytesMax} are taken.`,
    );
  return { text, hash: sha256(text) };
}

/** @throws RequestUnknown  Names what is open. */
async function requestOf(parts: Parts, run: string, position: string): Promise<RequestRow> {
  const all = await requestsOf(parts.database, run);
  const request = all.find((candidate) => candidate.position === position);
  if (request !== undefined) return request;
  const open = all.filter((candidate) => candidate.state === 'open');
  throw new BelayerError(
    failureType.requestUnknown,
    `Run \`${run}\` has no request \`${position}\`. ${open.length === 0 ? 'None is open.' : `Open: ${open.map((candidate) => candidate.position).join(', ')}.`}`,
  );
}

/** Sends an update and waits for its answer, `limits.updateMsMax` at most. */
async function updateRun<Receipt>(
  temporal: Client,
  run: string,
  update: {
    readonly name: string;
    readonly said: unknown;
    /** Named where it is not taken. */
    readonly about: string;
    readonly updateId: string | undefined;
  },
): Promise<Receipt> {
  try {
    return await temporal.withDeadline(Date.now() + limits.updateMsMax, () =>
      temporal.workflow.getHandle(run).executeUpdate<Receipt, [unknown]>(update.name, {
        args: [update.said],
        ...(update.updateId === undefined ? {} : { updateId: update.updateId }),
      }),
    );
  } catch (error) {
    throw updateFailure(run, update.about, error);
  }
}

/** Why an update was not taken, in words of ours; anything else comes back as it is. */
export function updateFailure(run: string, about: string, error: unknown): unknown {
  if (error instanceof WorkflowUpdateFailedError && error.cause instanceof ApplicationFailure)
    return new BelayerError(failureType.decisionRejected, error.cause.message, { cause: error });
  if (error instanceof WorkflowNotFoundError)
    return new BelayerError(
      failureType.decisionRejected,
      `Run \`${run}\` has ended; ${about} comes too late.`,
      { cause: error },
    );
  if (isUnreachable(error) || (error as Error).name === 'WorkflowUpdateRPCTimeoutOrCancelledError')
    return new BelayerError(
      failureType.serverUnreachable,
      `No worker took ${about} within ${limits.updateMsMax} ms. It may still be taken: look at the run before you say it again.`,
      { cause: error },
    );
  return error;
}
