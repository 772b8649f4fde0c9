/** What a start writes: the caller's words rendered once, and the row that the key is unique in. */
import type { AgentRunInput } from '../contracts/agent-run.ts';
import type { PublishedAgent } from '../contracts/definitions.ts';
import { type Build, buildOf } from '../contracts/deployments.ts';
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import type { Position } from '../contracts/positions.ts';
import type { RunOptions } from '../contracts/run-options.ts';
import { inputText, userMessage } from '../rules/render-message.ts';
import { narrowLimits, toRunInput } from '../rules/to-run-input.ts';
import type { Database } from './database.ts';
import { deployedDefinition, newestDefinition, publishedAgents } from './definitions.ts';
import { fitsSchema } from './fits-schema.ts';
import { chainHead, chainStart, sha256 } from './hash.ts';
import { insertRun } from './runs.ts';

export interface NewRun {
  readonly run: string;
  readonly agent: string;
  readonly input: unknown;
  readonly customer?: string;
  readonly key?: string;
  readonly options?: RunOptions;
  readonly parent?: { readonly run: string; readonly position: Position };
  readonly mayQueue?: true;
}

export interface InsertedRun {
  readonly run: string;
  readonly isNew: boolean;
  /** Its turn comes: a worker starts its workflow then, and nobody before. */
  readonly isQueued: boolean;
  /** What its workflow is started with. */
  readonly start: AgentRunInput;
  /** Whose code carries it out; absent: any worker's. */
  readonly build?: Build;
}

/**
 * The builds of a deployment that a start may go to, the best first. Empty: none takes starts, and the
 * newest definition is as good as any.
 */
export type ChooseBuilds = (deployment: string, run: string) => Promise<readonly string[]>;

/** Definitions that this process has seen, by agent (and build): a start then needs one round trip. */
export type DefinitionCache = Map<string, PublishedAgent>;

/**
 * Checks the input against the newest published definition, or that of the build that the start goes to,
 * and writes the run's row.
 *
 * @throws AgentUnknown   No worker has published the agent, or no build that takes starts has it.
 * @throws InputRejected  The input does not fit; every mistake is named. Nothing was written.
 * @throws KeyReused      The key was used with another input.
 * @throws AdmissionRefused  It `mayQueue`, and the queue is full.
 */
export async function insertNewRun(
  database: Database,
  cache: DefinitionCache,
  wanted: NewRun,
  chooseBuilds: ChooseBuilds = () => Promise.resolve([]),
): Promise<InsertedRun> {
  for (let attempt = 1; ; attempt += 1) {
    const known = await definitionToPin(database, cache, wanted, chooseBuilds);
    const build = buildOf(known.frozen);
    const text = checkedInput(known, wanted.input);
    const fragment = userMessage(text);
    const head = chainHead(chainStart, sha256(fragment));
    const narrowed = narrowLimits(known.frozen.limits, wanted.options);
    const verdict = await insertRun(database, {
      run: wanted.run,
      agent: wanted.agent,
      definition: known.hash,
      inputHash: sha256(text),
      fragment,
      head,
      costMicroUsd: narrowed.costMicroUsd,
      tokens: narrowed.tokens,
      ...(wanted.customer === undefined ? {} : { customer: wanted.customer }),
      ...(wanted.key === undefined ? {} : { key: wanted.key }),
      ...(wanted.options === undefined ? {} : { options: wanted.options }),
      ...(wanted.parent === undefined ? {} : { parent: wanted.parent }),
      ...(wanted.mayQueue === undefined ? {} : { mayQueue: wanted.mayQueue }),
    });
    switch (verdict.verdict) {
      case 'stale':
        // A newer definition was published since: check against that one.
        cache.clear();
        if (attempt >= staleAttemptsMax)
          throw new BelayerError(
            failureType.storageUnavailable,
            `Agent \`${wanted.agent}\` was published anew ${attempt} times while a run was being started. Try again.`,
          );
        continue;
      case 'unknown-agent':
        throw await agentUnknown(database, wanted.agent);
      case 'key-reused':
        throw new BelayerError(
          failureType.keyReused,
          `Key \`${wanted.key ?? wanted.run}\` of agent \`${wanted.agent}\` belongs to run \`${verdict.run ?? ''}\`, which was started with another input. Keys are kept for ${limits.keyKeptDays} days. Nothing was started.`,
        );
      case 'started':
      case 'existing':
        return {
          run: verdict.run ?? wanted.run,
          isNew: verdict.verdict === 'started',
          isQueued: verdict.is_queued,
          start: toRunInput({
            frozen: known.frozen,
            definition: known.hash,
            transcript: { chain: 0, length: 1, head, bytes: Buffer.byteLength(fragment) },
            ...(wanted.customer === undefined ? {} : { customer: wanted.customer }),
            ...(wanted.options === undefined ? {} : { options: wanted.options }),
          }),
          ...(build === undefined ? {} : { build }),
        };
      default:
        verdict.verdict satisfies never;
    }
  }
}

/** @throws AgentUnknown */
export async function definitionToPin(
  database: Database,
  cache: DefinitionCache,
  { agent, run }: Pick<NewRun, 'agent' | 'run'>,
  chooseBuilds: ChooseBuilds,
): Promise<PublishedAgent> {
  let newest = cache.get(agent) ?? (await newestDefinition(database, agent));
  if (newest === undefined) throw await agentUnknown(database, agent);
  cache.set(agent, newest);
  const { deployment } = newest.frozen;
  if (deployment === undefined) return newest;
  const builds = await chooseBuilds(deployment, run);
  for (const buildId of builds) {
    const key = JSON.stringify([agent, deployment, buildId]);
    const known =
      cache.get(key) ?? (await deployedDefinition(database, agent, { deployment, buildId }));
    if (known === undefined) continue;
    cache.set(key, known);
    return known;
  }
  if (builds.length > 0)
    throw new BelayerError(
      failureType.agentUnknown,
      `Agent \`${agent}\` is in build \`${newest.frozen.buildId}\` of deployment \`${deployment}\`, which takes no starts; ${builds.map((build) => `\`${build}\``).join(' and ')}, where they go, has no such agent. To send them there: belayer deployments promote ${newest.frozen.buildId}`,
    );
  // What takes starts now may have been published since.
  newest = (await newestDefinition(database, agent)) ?? newest;
  cache.set(agent, newest);
  return newest;
}

/** Workers that publish in a circle are a deployment at war with itself. */
const staleAttemptsMax = 5;

async function agentUnknown(database: Database, agent: string): Promise<BelayerError> {
  const known = await publishedAgents(database);
  return new BelayerError(
    failureType.agentUnknown,
    `No worker has published an agent \`${agent}\`. ${
      known.length === 0
        ? 'None is published: start a worker (`belayer worker` or `belayer dev`).'
        : `Published: ${known.slice(0, 20).join(', ')}.`
    }`,
  );
}

/** The text of a run's first message. @throws InputRejected  Names every mistake. */
export function checkedInput({ frozen }: Pick<PublishedAgent, 'frozen'>, input: unknown): string {
  const reject = (message: string): BelayerError =>
    new BelayerError(
      failureType.inputRejected,
      `${message}${message.endsWith('\n') ? '' : ' '}Nothing was started.`,
    );
  let text: string;
  if (frozen.inputSchema === undefined) {
    if (typeof input !== 'string' || input === '')
      throw reject(
        `The input of agent \`${frozen.name}\` must be a string that is not empty; it is ${input === '' ? 'an empty string' : Array.isArray(input) ? 'an array' : input === null ? 'null' : `of type ${typeof input}`}.`,
      );
    text = input;
  } else {
    try {
      text = inputText(input, true);
    } catch (error) {
      throw reject(
        `The input of agent \`${frozen.name}\` is not JSON: ${(error as Error).message}`,
      );
    }
    // What will be stored is checked, not what was given: dates and undefined become JSON first.
    const mistakes = fitsSchema(frozen.inputSchema, JSON.parse(text), 'input');
    if (mistakes.length > 0)
      throw reject(
        `The input of agent \`${frozen.name}\` does not fit its schema:\n${mistakes.map((mistake) => `  - ${mistake}`).join('\n')}\n`,
      );
  }
  const bytes = Buffer.byteLength(text);
  if (bytes > limits.inputBytesMax)
    throw reject(
      `The input of agent \`${frozen.name}\` has ${bytes} bytes; at most ${limits.inputBytesMax} are taken.`,
    );
  return text;
}
