import type { RunLimits } from '../contracts/definitions.ts';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import type { RunOptions } from '../contracts/run-options.ts';
import { type Duration, readDuration, toMicroUsd } from '../definitions/internal.ts';
import { shown } from './check-words.ts';

export interface StartOptions<Input> {
  readonly input: Input;
  /** On whose behalf and at whose cost. At most 128 characters. */
  readonly customer?: string;
  /** The same key and input give the same run, for 30 days. At most 256 characters. */
  readonly key?: string;
  /** Narrows the definition's limits; a wider one has no effect. */
  readonly limits?: {
    readonly costUsd?: number;
    readonly tokens?: number;
    readonly steps?: number;
    readonly wall?: Duration;
  };
  /** No new call starts after it. */
  readonly deadline?: Date;
}

interface StartRow {
  readonly input: unknown;
  readonly customer?: string;
  readonly key?: string;
  readonly options?: RunOptions;
}

/** @throws InputRejected  Names every option that does not fit; nothing was started. */
export function checkStart(agent: string, options: StartOptions<unknown>): StartRow {
  if (typeof options !== 'object' || options === null)
    throw new BelayerError(
      failureType.inputRejected,
      `A run of \`${String(agent)}\` needs options with an \`input\`; it got ${String(options)}. Nothing was started.`,
    );
  const mistakes: string[] = [];
  const row = readStart(agent, options, mistakes);
  const known = ['input', 'customer', 'key', 'limits', 'deadline'];
  for (const name of Object.keys(options))
    if (!known.includes(name))
      mistakes.push(`\`${name}\` is not an option; known are ${known.join(', ')}`);
  if (mistakes.length > 0)
    throw new BelayerError(
      failureType.inputRejected,
      `A run of \`${String(agent)}\` cannot be started:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}\nNothing was started.`,
    );
  return row;
}

/** What a start reads of its options, and, in `mistakes`, what does not fit. Names of others are the caller's. */
export function readStart(
  agent: unknown,
  options: StartOptions<unknown>,
  mistakes: string[],
): StartRow {
  if (typeof agent !== 'string' || agent === '' || agent.length > limits.agentNameCharsMax)
    mistakes.push(`the agent's name must have 1 to ${limits.agentNameCharsMax} characters`);
  const text = (name: 'customer' | 'key', charsMax: number): string | undefined => {
    const value: unknown = options[name];
    if (value === undefined) return undefined;
    if (typeof value !== 'string' || value === '' || value.length > charsMax)
      mistakes.push(
        `\`${name}\` must be a string of 1 to ${charsMax} characters; it is ${typeof value === 'string' ? `${value.length} characters long` : `of type ${typeof value}`}`,
      );
    return typeof value === 'string' ? value : undefined;
  };
  const customer = text('customer', limits.customerCharsMax);
  const key = text('key', limits.keyCharsMax);
  const narrowed = readLimits(options.limits, mistakes);
  const deadline: unknown = options.deadline;
  const deadlineMs = deadline instanceof Date ? deadline.getTime() : undefined;
  if (deadline !== undefined && (deadlineMs === undefined || Number.isNaN(deadlineMs)))
    mistakes.push('`deadline` must be a valid Date');
  else if (deadlineMs !== undefined && deadlineMs <= Date.now())
    mistakes.push(`\`deadline\` ${new Date(deadlineMs).toISOString()} has passed`);
  const run: RunOptions = {
    ...(narrowed === undefined ? {} : { limits: narrowed }),
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
  };
  return {
    input: options.input,
    ...(customer === undefined ? {} : { customer }),
    ...(key === undefined ? {} : { key }),
    ...(Object.keys(run).length === 0 ? {} : { options: run }),
  };
}

function readLimits(
  given: StartOptions<unknown>['limits'],
  mistakes: string[],
): Partial<RunLimits> | undefined {
  if (given === undefined) return undefined;
  if (typeof given !== 'object' || given === null) {
    mistakes.push(`\`limits\` is ${shown(given)}; it must be an object`);
    return undefined;
  }
  const read: { -readonly [Name in keyof RunLimits]?: RunLimits[Name] } = {};
  const whole = (name: 'tokens' | 'steps'): void => {
    const value = given[name];
    if (value === undefined) return;
    if (!Number.isSafeInteger(value) || value < 1)
      mistakes.push(`\`limits.${name}\` is ${String(value)}; it must be a whole number from 1`);
    read[name] = value;
  };
  whole('tokens');
  whole('steps');
  if (given.costUsd !== undefined) {
    if (
      typeof given.costUsd !== 'number' ||
      !(given.costUsd > 0) ||
      !Number.isFinite(given.costUsd)
    )
      mistakes.push(`\`limits.costUsd\` is ${String(given.costUsd)}; it must be above 0`);
    else if (toMicroUsd(given.costUsd) < 1)
      mistakes.push(`\`limits.costUsd\` is ${given.costUsd}; the smallest is 0.000001`);
    else read.costMicroUsd = toMicroUsd(given.costUsd);
  }
  if (given.wall !== undefined) {
    const wall = readDuration(given.wall, {
      minMs: 1,
      maxMs: limits.runWallMsMax,
      maxName: 'runWallMsMax',
    });
    if ('problem' in wall) mistakes.push(`\`limits.wall\` ${wall.problem}`);
    else read.wallMs = wall.ms;
  }
  for (const name of Object.keys(given))
    if (!['costUsd', 'tokens', 'steps', 'wall'].includes(name))
      mistakes.push(`\`limits.${name}\` is not a limit of a start`);
  return read;
}
