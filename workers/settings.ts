/** What a worker needs from its environment beyond where the servers are. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { type PriceOverrides, priceOverridesFrom } from '../activities/models/price-overrides.ts';
import { type Environment, parseEnvironment } from '../client/settings.ts';
import { BelayerError, failureType } from '../contracts/failures.ts';
import {
  buildName,
  buildNameRule,
  deploymentName,
  deploymentNameRule,
} from '../contracts/deployments.ts';
import { limits } from '../contracts/limits.ts';
import type { MailSettings } from './announce/mail.ts';
import { mailSettings, announceShape, webhookSettings, wholeGroups } from './announce/settings.ts';
import type { WebhookSettings } from './announce/webhook.ts';

export interface WorkerSettings {
  readonly openaiApiKey?: string;
  /** Any OpenAI-compatible endpoint. Default: OpenAI's own. */
  readonly openaiBaseUrl?: string;
  /** For agents that name no model. */
  readonly modelDefault?: string;
  readonly prices?: PriceOverrides;
  /** Where they come from: what `BELAYER_PRICES` names. Read once, when the worker starts. */
  readonly pricesFile?: string;
  /** Names the application's build in frozen definitions. Default: the hash of its entry file. */
  readonly buildId?: string;
  /**
   * Of Temporal's worker deployments. Set: what begins on this worker's build stays with it, and starts go
   * where the deployment sends them. Absent: any worker goes on with any run.
   */
  readonly deployment?: string;
  readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
  /** Calls that one worker carries out at once. */
  readonly callsAtOnce: number;
  /** Runs in flight of the whole installation: the worker that starts last says it. A throttle over all beats it. */
  readonly runsInFlight?: number;
  /** How long histories are kept behind the end of a run. Default `limits.recordingDaysDefault`. */
  readonly recordingDays?: number;
  /** Of all kept replies and results, in MiB. Default `limits.cacheMegabytesMaxDefault`. */
  readonly cacheMaxMb?: number;
  /** Where requests and stuck runs are announced. Absent: this worker leaves that to others. */
  readonly webhook?: WebhookSettings;
  readonly mail?: MailSettings;
}

const text = z.string().trim().min(1, 'is empty');

const isDeployed = (read: { readonly BELAYER_DEPLOYMENT?: unknown }): boolean =>
  read.BELAYER_DEPLOYMENT !== undefined;

const shape = z.object({
  ...announceShape,
  OPENAI_API_KEY: text.optional(),
  OPENAI_BASE_URL: text
    .refine((value) => /^https?:\/\/[^/]/.test(value), 'must begin with http:// or https://')
    .optional(),
  BELAYER_MODEL: text.max(256, 'has more than 256 characters').optional(),
  BELAYER_PRICES: text.optional(),
  BELAYER_BUILD_ID: text
    .max(limits.buildIdCharsMax, `has more than ${limits.buildIdCharsMax} characters`)
    .optional(),
  BELAYER_DEPLOYMENT: text
    .max(limits.deploymentNameCharsMax, `has more than ${limits.deploymentNameCharsMax} characters`)
    .regex(deploymentName, `must be ${deploymentNameRule}`)
    .optional(),
  BELAYER_LOG: z
    .enum(['debug', 'info', 'warn', 'error'], 'must be debug, info, warn or error')
    .default('warn'),
  BELAYER_CALLS_AT_ONCE: z
    .string()
    .regex(/^[1-9][0-9]{0,3}$/, 'must be a whole number from 1 to 9999. Example: 200')
    .transform(Number)
    .default(200),
  BELAYER_RUNS_IN_FLIGHT: z
    .string()
    .regex(
      /^[1-9][0-9]{0,5}$/,
      `must be a whole number from 1 to 999999. Example: ${limits.runsInFlightMaxDefault}`,
    )
    .transform(Number)
    .optional(),
  BELAYER_RECORDING_DAYS: z
    .string()
    .regex(
      /^[1-9][0-9]{0,3}$/,
      `must be a whole number of days from 1 to ${limits.recordingDaysMax}. Example: ${limits.recordingDaysDefault}`,
    )
    .transform(Number)
    .refine(
      (days) => days <= limits.recordingDaysMax,
      `must be at most ${limits.recordingDaysMax} days`,
    )
    .default(limits.recordingDaysDefault),
  BELAYER_CACHE_MAX_MB: z
    .string()
    .regex(
      /^[1-9][0-9]{0,6}$/,
      `must be a whole number of megabytes from 1 to ${limits.cacheMegabytesMax}. Example: ${limits.cacheMegabytesMaxDefault}`,
    )
    .transform(Number)
    .refine(
      (megabytes) => megabytes <= limits.cacheMegabytesMax,
      `must be at most ${limits.cacheMegabytesMax} megabytes`,
    )
    .default(limits.cacheMegabytesMaxDefault),
});
const schema = wholeGroups(shape)
  .refine((read) => !isDeployed(read) || read.BELAYER_BUILD_ID !== undefined, {
    path: ['BELAYER_BUILD_ID'],
    message:
      'must be set where BELAYER_DEPLOYMENT is, as two builds under one name would be taken for the same code. Example: the commit',
    when: () => true,
  })
  .refine(
    (read) =>
      !isDeployed(read) ||
      read.BELAYER_BUILD_ID === undefined ||
      buildName.test(read.BELAYER_BUILD_ID),
    {
      path: ['BELAYER_BUILD_ID'],
      message: `must be ${buildNameRule}, where BELAYER_DEPLOYMENT is set`,
      when: () => true,
    },
  );

/** @throws SettingsRejected  Names every variable that is wrong. */
export function readWorkerSettings(environment: Environment): WorkerSettings {
  const parsed = parseEnvironment(schema, environment);
  const prices = readPrices(parsed.BELAYER_PRICES);
  const webhook = webhookSettings(parsed);
  const mail = mailSettings(parsed);
  return {
    logLevel: parsed.BELAYER_LOG,
    callsAtOnce: parsed.BELAYER_CALLS_AT_ONCE,
    recordingDays: parsed.BELAYER_RECORDING_DAYS,
    cacheMaxMb: parsed.BELAYER_CACHE_MAX_MB,
    ...(parsed.BELAYER_RUNS_IN_FLIGHT === undefined
      ? {}
      : { runsInFlight: parsed.BELAYER_RUNS_IN_FLIGHT }),
    ...(parsed.OPENAI_API_KEY === undefined ? {} : { openaiApiKey: parsed.OPENAI_API_KEY }),
    ...(parsed.OPENAI_BASE_URL === undefined ? {} : { openaiBaseUrl: parsed.OPENAI_BASE_URL }),
    ...(parsed.BELAYER_MODEL === undefined ? {} : { modelDefault: parsed.BELAYER_MODEL }),
    ...(parsed.BELAYER_BUILD_ID === undefined ? {} : { buildId: parsed.BELAYER_BUILD_ID }),
    ...(parsed.BELAYER_DEPLOYMENT === undefined ? {} : { deployment: parsed.BELAYER_DEPLOYMENT }),
    ...(prices === undefined ? {} : { prices }),
    ...(parsed.BELAYER_PRICES === undefined ? {} : { pricesFile: parsed.BELAYER_PRICES }),
    ...(webhook === undefined ? {} : { webhook }),
    ...(mail === undefined ? {} : { mail }),
  };
}

function readPrices(file: string | undefined): PriceOverrides | undefined {
  if (file === undefined) return undefined;
  let content: string;
  try {
    content = readFileSync(file, 'utf8');
  } catch (error) {
    throw new BelayerError(
      failureType.settingsRejected,
      `BELAYER_PRICES names the file '${file}', which cannot be read: ${(error as Error).message}`,
      { cause: error },
    );
  }
  return priceOverridesFrom(content, `The file of BELAYER_PRICES, ${file}`);
}
