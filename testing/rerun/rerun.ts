import { readFileSync } from 'node:fs';
import { priceBook } from '../../activities/models/price-book.ts';
import { BelayerError, failureType } from '../../contracts/failures.ts';
import { isPosition, type Position } from '../../contracts/positions.ts';
import { type App, asApp, hiddenToolsOf } from '../../definitions/internal.ts';
import { type Recording, readRecording } from '../../storage/recordings/read-recording.ts';
import type { ModelProvider } from '../../workers/model-provider.ts';
import { type StrictReplay, startStrictReplay } from '../replay/strict-replay.ts';
import { mayRunLive } from './live-tool.ts';
import { type RecordedRun, recordedRuns } from './recorded-run.ts';
import { notRerun, rerunOne } from './rerun-one.ts';
import {
  type RerunMode,
  rerunModes,
  type RerunResult,
  unmatchedPolicies,
  type UnmatchedPolicy,
} from './rerun-result.ts';
import type { RerunSettings, UnmatchedCall } from './rerunning.ts';
import { todaysAgent } from './todays-agent.ts';

export interface RerunOptions {
  /** Default `strict`. */
  readonly mode?: RerunMode;
  /** For calls that change nothing outside and have no recorded result. Default `stop`. */
  readonly unmatched?: UnmatchedPolicy;
  /**
   * Tools whose code of today runs, whatever the recording holds: those whose code has changed. Not for
   * tools that write, sub-agents and questions. Not with `strict`.
   */
  readonly live?: readonly string[];
  /** `live-after` only: the position behind which models are live, if no prompt differed before. */
  readonly after?: Position;
  /** The result of an unmatched call as text, with `unmatched: 'ask'`. Undefined: the rerun stops there. */
  readonly ask?: (call: UnmatchedCall) => Promise<string | undefined>;
  /**
   * Settings of the model provider, prices, and the secrets that tools ask for: `OPENAI_API_KEY`,
   * `OPENAI_BASE_URL`, `BELAYER_MODEL`, `BELAYER_PRICES`. `strict` needs none of them. Default `process.env`.
   */
  readonly environment?: Readonly<Record<string, string | undefined>>;
  /** Ends the rerun; it rejects with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Runs an agent again in this process, from the recording of a run.
 *
 * `strict` needs no server, no network and no key, and asks: would today's definition and code have sent the
 * same prompts, decided the same and given the same output? With `tools-recorded` and `live-after` models
 * are asked anew and paid for; tools answer from the recording, and writes are never performed.
 * `docs/rerun.md` says what is compared.
 *
 * @param app        The application as it is today: `defineApp({...})`, one agent, or a module of it.
 * @param recording  What `belayer histories export` wrote: its path, its text, or its bytes.
 * @throws DefinitionRejected  The application is none.
 * @throws InputRejected       Options that do not fit together, or name tools that cannot run live.
 * @throws RecordingDamaged    The file is no recording, was changed, or holds histories only.
 * @throws ContentRedacted     Prompts were redacted in it: what is not there cannot be sent again.
 * @throws SettingsRejected    A variable of the environment cannot be used.
 */
export async function rerun(
  app: unknown,
  recording: string | Uint8Array,
  options: RerunOptions = {},
): Promise<RerunResult> {
  const session = await startReruns(app, options);
  try {
    return await session.rerun(readGiven(recording));
  } finally {
    await session.close();
  }
}

/** Many reruns of one application: what is dear to make is made once. */
export interface Reruns {
  /** A line for a person about who answers live calls, where it is not a provider of their own. */
  readonly notice: string | undefined;
  /** Replays go one after the other, live calls of several reruns at once. */
  rerun(recording: Recording): Promise<RerunResult>;
  close(): Promise<void>;
}

/** @throws DefinitionRejected, InputRejected, SettingsRejected */
export async function startReruns(given: unknown, options: RerunOptions = {}): Promise<Reruns> {
  const app = asApp(given);
  const mode = options.mode ?? 'strict';
  checkOptions(app, { ...options, mode });
  const environment = options.environment ?? process.env;
  const { readWorkerSettings } = await import('../../workers/settings.ts');
  const workerSettings = readWorkerSettings(environment);
  const { signal = new AbortController().signal } = options;
  let provider: Promise<ModelProvider> | undefined;
  const providerNow = (): Promise<ModelProvider> => {
    provider ??= import('../../workers/model-provider.ts').then(({ modelProvider }) =>
      modelProvider(workerSettings),
    );
    return provider;
  };
  const settings: RerunSettings = {
    mode,
    unmatched: options.unmatched ?? 'stop',
    live: new Set(options.live),
    after: options.after,
    ask: options.ask,
    models: async () => ({
      client: (await providerNow()).client,
      priceOf: priceBook(workerSettings.prices),
      signal,
    }),
    secrets: (name) => environment[name],
    signal,
  };
  // Without a provider of one's own the stand-in answers, under its own name. Strict asks nobody.
  const live = mode === 'strict' ? undefined : await providerNow();
  const strict = await startStrictReplay();
  const replaying = inTurn(strict);
  const one = (run: RecordedRun): Promise<RerunResult> => {
    const today = todaysAgent(app, run.agent, live?.modelDefault ?? run.frozen.models[0]);
    return today === undefined
      ? Promise.resolve(notRerun(run, mode, `Today's application has no agent \`${run.agent}\`.`))
      : rerunOne(run, today, settings, replaying);
  };
  return {
    notice: live?.notice,
    async rerun(recording) {
      const [own, ...subAgents] = recordedRuns(recording);
      const result = await one(own);
      const others: RerunResult[] = [];
      for (const run of subAgents) others.push(await one(run));
      return others.length === 0 ? result : { ...result, subAgents: others };
    },
    async close() {
      await strict.close();
      await (await provider)?.stop();
    },
  };
}

/** A replaying worker has one history at a time. */
function inTurn(strict: StrictReplay): Pick<StrictReplay, 'replay'> {
  let last: Promise<unknown> = Promise.resolve();
  return {
    replay(input, listener) {
      const next = last.then(() => strict.replay(input, listener));
      last = next.catch(() => undefined);
      return next;
    },
  };
}

function checkOptions(app: App, options: RerunOptions & { readonly mode: RerunMode }): void {
  const { mode, unmatched, live = [], after } = options;
  const refuse = (message: string): BelayerError =>
    new BelayerError(failureType.inputRejected, `${message} Nothing was rerun.`);
  if (!rerunModes.includes(mode))
    throw refuse(`The mode \`${String(mode)}\` is none of ${rerunModes.join(', ')}.`);
  if (unmatched !== undefined && !unmatchedPolicies.includes(unmatched))
    throw refuse(
      `\`unmatched\` is \`${String(unmatched)}\`; it is one of ${unmatchedPolicies.join(', ')}.`,
    );
  if (mode === 'strict' && (unmatched !== undefined || live.length > 0))
    throw refuse(
      '`strict` takes everything from the recording: `unmatched` and `live` are for the other modes.',
    );
  if (after !== undefined && mode !== 'live-after')
    throw refuse('`after` is for the mode `live-after`.');
  if (after !== undefined && !isPosition(after))
    throw refuse(`\`after\` is \`${after}\`; it must be a position, for example 3 or 3/repair-1.`);
  for (const name of live) {
    const tools = app.agents
      .flatMap((agent) => [...agent.tools, ...hiddenToolsOf(agent.tools)])
      .filter((tool) => tool.name === name);
    if (tools.length === 0) throw refuse(`The application has no tool \`${name}\` to run live.`);
    if (!tools.every(mayRunLive))
      throw refuse(
        `Tool \`${name}\` cannot run live: a rerun performs no write, starts no sub-agent and asks nobody a tool's question.`,
      );
  }
}

/** A path, unless it looks like a recording. */
function readGiven(given: string | Uint8Array): Recording {
  if (typeof given !== 'string' || /^\s*[[{]/.test(given)) return readRecording(given);
  let bytes: Uint8Array;
  try {
    bytes = readFileSync(given);
  } catch (error) {
    throw new BelayerError(
      failureType.inputRejected,
      `${given} cannot be read: ${(error as Error).message}`,
      { cause: error },
    );
  }
  return readRecording(bytes);
}
