/** What may be asked of `run.fork`, checked before anything is read. */
import type { RunLimits } from '../../contracts/definitions.ts';
import { BelayerError, failureType } from '../../contracts/failures.ts';
import { limits } from '../../contracts/limits.ts';
import { isPosition, type Position, stepOf } from '../../contracts/positions.ts';
import type { RunOptions } from '../../contracts/run-options.ts';
import { canonicalJson } from '../../rules/canonical-json.ts';
import { readStart, type StartOptions } from '../check-start.ts';
import { shown, textMistakes, wordMistakes } from '../check-words.ts';

/** A reply in a model's place: a text, the calls it asks for, or the output of an agent with a schema. */
export type GivenReply =
  | string
  | {
      readonly text?: string;
      readonly calls?: readonly { readonly tool: string; readonly arguments?: unknown }[];
      /** JSON. In place of `text`. */
      readonly output?: unknown;
    };

export interface ForkEdit {
  /** At a model call: its reply. No model is asked; what it asks for is live. */
  readonly reply?: GivenReply;
  /** At a tool call: its result, JSON or text, as the tool would have returned it. Nothing runs. */
  readonly result?: unknown;
  /** At a tool call: the arguments, as if the model had asked with these. It runs, behind the gate. */
  readonly arguments?: unknown;
  /**
   * At a model call: what a person says to it, in place of what one said there, or beside it where nobody did.
   * At the first call it is the run's input: JSON for an agent with an input schema.
   */
  readonly message?: unknown;
  /** At a model call: the agent's instructions from there on. */
  readonly instructions?: string;
  /** At a model call: the model from there on, or the chain of models, the first first. */
  readonly model?: string | readonly string[];
  /** The agent's limits from there on. They may be wider than they were. */
  readonly limits?: StartOptions<never>['limits'];
}

export interface ForkOptions {
  /** A model call (`3`, `3/repair-1`, `3/up-1`) or a tool call (`3.1`): the first thing that is not shared. */
  readonly at: Position;
  readonly edit?: ForkEdit;
  /** Who forks. Default: who connected. */
  readonly by?: string;
  readonly reason?: string;
  /** The same key, parent, position and edit give the same fork, for 30 days. At most 256 characters. */
  readonly key?: string;
  /** Narrows the agent's limits, as at a start. Counted from the fork on. */
  readonly limits?: StartOptions<never>['limits'];
  /** No new call starts after it. Default: none, whatever the parent had. */
  readonly deadline?: Date;
}

/** A fork that can be tried. */
export interface ForkWish {
  readonly at: Position;
  readonly step: number;
  /** Of a tool call in its reply, from 0. Absent: a model call. */
  readonly index?: number;
  readonly edit: Omit<ForkEdit, 'limits' | 'model'>;
  readonly models?: readonly string[];
  /** Of the definition from there on. */
  readonly limits: Partial<RunLimits>;
  readonly options: RunOptions;
  readonly by: string;
  readonly reason?: string;
  readonly key?: string;
}

const modelPosition = /^\d+(\/(repair|fallback|interrupt|up)-[a-z0-9-]+)?$/;
const toolPosition = /^\d+\.(\d+)$/;
const editNames = ['reply', 'result', 'arguments', 'message', 'instructions', 'model', 'limits'];
const onlyAtModel = ['reply', 'message', 'instructions', 'model'] as const;
const onlyAtTool = ['result', 'arguments'] as const;

/** @throws InputRejected  Names every mistake. Nothing was started. */
export function checkFork(run: string, options: ForkOptions, by: string): ForkWish {
  const mistakes = wordMistakes(options, {
    known: ['at', 'edit', 'by', 'reason', 'key', 'limits', 'deadline'],
  });
  const isObject = typeof options === 'object' && options !== null;
  const wish = isObject ? readWish(options, by, mistakes) : undefined;
  if (wish !== undefined && mistakes.length === 0) return wish;
  throw new BelayerError(
    failureType.inputRejected,
    `Run \`${run}\` cannot be forked like that:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}\nNothing was started.`,
  );
}

function readWish(options: ForkOptions, by: string, mistakes: string[]): ForkWish {
  const { at, key, deadline, reason } = options;
  const row = readStart(
    'fork',
    {
      input: '',
      ...(key === undefined ? {} : { key }),
      ...(options.limits === undefined ? {} : { limits: options.limits }),
      ...(deadline === undefined ? {} : { deadline }),
    },
    mistakes,
  );
  const edit = readEdit(options.edit, mistakes);
  const { limits: changed, model, ...rest } = edit;
  const index = readPosition(at, edit, mistakes);
  return {
    at,
    step: stepOf(String(at)),
    ...(index === undefined ? {} : { index }),
    edit: rest,
    ...(model === undefined ? {} : { models: typeof model === 'string' ? [model] : model }),
    limits: readLimits(changed, mistakes),
    options: row.options ?? {},
    by: options.by ?? by.slice(0, limits.decidedByCharsMax),
    ...(reason === undefined || reason === '' ? {} : { reason }),
    ...(key === undefined ? {} : { key }),
  };
}

/** Which call it is, and whether what is edited is a call's of that kind. Gives the index of a tool call. */
function readPosition(at: unknown, edit: ForkEdit, mistakes: string[]): number | undefined {
  const text = typeof at === 'string' ? at : '';
  const tool = isPosition(text) ? toolPosition.exec(text) : null;
  const given = <Name extends keyof ForkEdit>(names: readonly Name[]): string =>
    names
      .filter((name) => edit[name] !== undefined)
      .map((name) => `\`${name}\``)
      .join(', ');
  if (tool !== null) {
    const wrong = given(onlyAtModel);
    const step = stepOf(text);
    if (wrong !== '')
      mistakes.push(
        `${wrong} can be edited at a model call only; \`${text}\` is a tool call: fork at ${step} or ${step + 1}`,
      );
    if (edit.result !== undefined && edit.arguments !== undefined)
      mistakes.push(
        '`result` and `arguments` exclude each other: a call that is given its result does not run',
      );
    return Number(tool[1]) - 1;
  }
  if (!isPosition(text) || !modelPosition.test(text))
    mistakes.push(
      `\`at\` is ${typeof at === 'string' ? `\`${at.slice(0, 60)}\`` : shown(at)}; it must be a model call, such as 3 or 3/repair-1, or a tool call, such as 3.1`,
    );
  else {
    const wrong = given(onlyAtTool);
    if (wrong !== '')
      mistakes.push(
        `${wrong} can be edited at a tool call only; \`${text}\` is a model call: fork at ${stepOf(text)}.1, for example`,
      );
  }
  return undefined;
}

function readEdit(edit: unknown, mistakes: string[]): ForkEdit {
  if (edit === undefined) return {};
  if (typeof edit !== 'object' || edit === null || Array.isArray(edit)) {
    mistakes.push(`\`edit\` is ${shown(edit)}; it must be an object`);
    return {};
  }
  const given = edit as ForkEdit;
  for (const name of Object.keys(edit))
    if (!editNames.includes(name))
      mistakes.push(`\`edit.${name}\` is nothing to edit; known are ${editNames.join(', ')}`);
  for (const name of ['result', 'arguments', 'message', 'reply'] as const) {
    const value = given[name];
    if (value === undefined) continue;
    try {
      canonicalJson(value);
    } catch (error) {
      mistakes.push(`\`edit.${name}\` is not JSON: ${(error as Error).message}`);
    }
  }
  if (given.reply !== undefined) readReplyEdit(given.reply, mistakes);
  if (given.instructions !== undefined) {
    const { instructions } = given;
    const bytes = typeof instructions === 'string' ? Buffer.byteLength(instructions) : 0;
    if (typeof instructions !== 'string')
      mistakes.push(`\`edit.instructions\` is ${shown(instructions)}; it must be a string`);
    else if (bytes > limits.instructionsBytesMax)
      mistakes.push(
        `\`edit.instructions\` has ${bytes} bytes; at most ${limits.instructionsBytesMax} are taken`,
      );
  }
  if (given.model !== undefined) {
    const models: readonly unknown[] = Array.isArray(given.model) ? given.model : [given.model];
    const areNames = models.every(
      (model) => typeof model === 'string' && /^\S{1,256}$/.test(model),
    );
    if (!areNames || models.length === 0 || models.length > limits.modelsPerAgentMax)
      mistakes.push(
        `\`edit.model\` must be the name of a model, or 1 to ${limits.modelsPerAgentMax} of them`,
      );
    else if (new Set(models).size < models.length)
      mistakes.push('`edit.model` names a model twice');
  }
  return given;
}

function readReplyEdit(reply: unknown, mistakes: string[]): void {
  if (typeof reply === 'string') {
    if (reply === '') mistakes.push('`edit.reply` is an empty string; a reply says something');
    return;
  }
  if (typeof reply !== 'object' || reply === null || Array.isArray(reply)) {
    mistakes.push(`\`edit.reply\` is ${shown(reply)}; it must be a text or an object`);
    return;
  }
  const { text, calls, output } = reply as Exclude<GivenReply, string>;
  for (const name of Object.keys(reply))
    if (!['text', 'calls', 'output'].includes(name))
      mistakes.push(`\`edit.reply.${name}\` is not known; known are text, calls, output`);
  if (text === undefined && calls === undefined && output === undefined)
    mistakes.push('`edit.reply` needs `text`, `calls` or `output`');
  if (text !== undefined) mistakes.push(...textMistakes('edit.reply.text', text, Infinity));
  if (output !== undefined && (text !== undefined || calls !== undefined))
    mistakes.push('`edit.reply.output` stands alone: it is the whole reply');
  if (calls === undefined) return;
  if (!Array.isArray(calls) || calls.length === 0 || calls.length > limits.toolCallsPerReplyMax) {
    mistakes.push(
      `\`edit.reply.calls\` must be a list of 1 to ${limits.toolCallsPerReplyMax} calls`,
    );
    return;
  }
  for (const [index, call] of calls.entries()) {
    const named = `edit.reply.calls[${index}]`;
    const fields = (typeof call === 'object' && call !== null ? call : {}) as Record<
      string,
      unknown
    >;
    mistakes.push(...textMistakes(`${named}.tool`, fields['tool'], limits.toolNameCharsMax));
    for (const name of Object.keys(fields))
      if (name !== 'tool' && name !== 'arguments')
        mistakes.push(`\`${named}.${name}\` is not known; known are tool, arguments`);
  }
}

function readLimits(given: ForkEdit['limits'], mistakes: string[]): Partial<RunLimits> {
  if (given === undefined) return {};
  const read = readStart('fork', { input: '', limits: given }, mistakes).options?.limits ?? {};
  const most = {
    costMicroUsd: limits.runCostMicroUsdMax,
    tokens: limits.runTokensMax,
    steps: limits.runStepsMax,
  };
  for (const [name, max] of Object.entries(most)) {
    const value = read[name as keyof typeof most];
    if (value !== undefined && value > max)
      mistakes.push(`\`edit.limits\`: ${name} is ${value}; at most ${max} are possible`);
  }
  return read;
}
