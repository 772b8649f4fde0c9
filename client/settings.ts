/** Where things are, from the environment: parsed once, every mistake named at once. */
import { loadClientConnectConfig } from '@temporalio/envconfig';
import { resolve } from 'node:path';
import { z } from 'zod';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { taskQueueDefault } from '../contracts/messages.ts';
import { readDuration } from '../definitions/duration.ts';

export type Environment = Readonly<Record<string, string | undefined>>;

export interface Settings {
  /** Absent: an embedded server. From `TEMPORAL_ADDRESS` or a profile of `temporal.toml`. */
  readonly temporalAddress?: string;
  readonly namespace: string;
  /** Absent: an embedded server. From `DATABASE_URL`. */
  readonly databaseUrl?: string;
  readonly taskQueue: string;
  /** Of embedded servers, the bundle cache and logs. */
  readonly dataFolder: string;
  /** Silence after which a run without a declared wait is looked at. Absent: `limits.stuckAfterMsDefault`. */
  readonly stuckAfterMs?: number;
  /** TLS and API key, as Temporal's own environment configuration gives them. */
  readonly temporal: Readonly<Record<string, unknown>>;
}

const text = z.string().trim().min(1, 'is empty');

const schema = z.object({
  DATABASE_URL: text
    .refine(
      (value) => /^postgres(ql)?:\/\//.test(value),
      'must begin with postgres:// or postgresql://',
    )
    .optional(),
  BELAYER_TASK_QUEUE: text.max(200, 'has more than 200 characters').default(taskQueueDefault),
  BELAYER_DATA: text.default('.belayer'),
  BELAYER_STUCK_AFTER: text
    .transform((value, context) => {
      const read = readDuration(value, {
        minMs: limits.stuckAfterMsMin,
        maxMs: limits.stuckAfterMsMax,
        maxName: 'stuckAfterMsMax',
      });
      if (!('problem' in read)) return read.ms;
      context.addIssue(`cannot be used: ${read.problem}`);
      return z.NEVER;
    })
    .optional(),
});

/**
 * @param folder  What a relative `BELAYER_DATA` is below. Default: the working folder.
 * @throws SettingsRejected  Names every variable that is wrong, its value and what was expected.
 */
export function readSettings(environment: Environment, folder = process.cwd()): Settings {
  const parsed = parseEnvironment(schema, environment);
  const temporal = temporalSettings(environment);
  return {
    namespace: temporal.namespace,
    taskQueue: parsed.BELAYER_TASK_QUEUE,
    dataFolder: resolve(folder, parsed.BELAYER_DATA),
    temporal: temporal.options,
    ...(temporal.address === undefined ? {} : { temporalAddress: temporal.address }),
    ...(parsed.BELAYER_STUCK_AFTER === undefined
      ? {}
      : { stuckAfterMs: parsed.BELAYER_STUCK_AFTER }),
    ...(parsed.DATABASE_URL === undefined ? {} : { databaseUrl: parsed.DATABASE_URL }),
  };
}

/** Empty variables count as not set. A value that may hold a password is not repeated. */
export function parseEnvironment<Shape extends z.ZodRawShape>(
  shape: z.ZodObject<Shape>,
  environment: Environment,
): z.output<z.ZodObject<Shape>> {
  const given = Object.fromEntries(
    Object.entries(environment).filter(([, value]) => value !== undefined && value !== ''),
  );
  const parsed = shape.safeParse(given);
  if (parsed.success) return parsed.data;
  const mistakes = parsed.error.issues.map((issue) => {
    const name = String(issue.path[0]);
    const value =
      given[name] === undefined
        ? 'not set'
        : /KEY|URL|SECRET|PASSWORD/.test(name)
          ? '(not shown)'
          : `'${given[name]}'`;
    return `  - ${name} is ${value}: it ${issue.message}`;
  });
  throw new BelayerError(
    failureType.settingsRejected,
    `${mistakes.length} setting${mistakes.length === 1 ? '' : 's'} in the environment cannot be used:\n${mistakes.join('\n')}`,
  );
}

function temporalSettings(environment: Environment): {
  readonly address: string | undefined;
  readonly namespace: string;
  readonly options: Readonly<Record<string, unknown>>;
} {
  try {
    const config = loadClientConnectConfig({ overrideEnvVars: { ...environment } as never });
    const { address, ...options } = config.connectionOptions as {
      readonly address?: string;
    } & Record<string, unknown>;
    return { address, namespace: config.namespace ?? 'default', options };
  } catch (error) {
    throw new BelayerError(
      failureType.settingsRejected,
      `Temporal's settings cannot be read (TEMPORAL_* variables or temporal.toml): ${(error as Error).message}`,
      { cause: error },
    );
  }
}
