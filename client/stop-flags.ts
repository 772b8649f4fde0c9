/** Flags over everything that an agent, a customer or the installation runs: set, lifted, listed. */
import { BelayerError, failureType } from '../contracts/failures.ts';
import { limits } from '../contracts/limits.ts';
import { isStorageUnavailable } from '../storage/database.ts';
import { publishedAgents } from '../storage/definitions.ts';
import { openLedger, type StopScope } from '../storage/ledger.ts';
import { countToHalt, liftFlag, subjectWords, takeToHalt } from '../storage/stop-flags.ts';
import { refuse, wordMistakes } from './check-words.ts';
import type { Parts } from './parts.ts';
import { tellToHalt } from './tell-to-halt.ts';

/** Exactly one of them. A single run is halted with `run.halt()`. */
export interface StopTarget {
  readonly customer?: string;
  readonly agent?: string;
  readonly installation?: true;
}

export interface StopOptions {
  /** Why, for the record; whoever is refused because of the flag reads it. */
  readonly reason: string;
  /** Default: who connected. */
  readonly by?: string;
}

export interface StopProgress {
  readonly halted: number;
  readonly of: number;
}

export interface StopReport extends StopProgress {
  /** False: the flag stood already, and stays as it was set. */
  readonly isNew: boolean;
  /** Why open runs are left that could not be told. A worker goes on with them. */
  readonly left?: string;
}

/**
 * Sets the flag, then tells the open runs that it covers, in batches.
 *
 * Accepted at the first call of `onProgress`: every claim and every start that commits after it has seen
 * the flag. From then on nothing throws: what could not be told is in `left`, and a worker's sweep tells
 * it, as it does when this process dies.
 */
export async function stop(
  parts: Pick<Parts, 'database' | 'temporal' | 'by'>,
  target: StopTarget,
  options: StopOptions & { readonly onProgress?: (progress: StopProgress) => void },
): Promise<StopReport> {
  const { database } = parts;
  const flag = toFlag(target);
  const { reason, by } = readWords('stop', parts, options);
  if (flag.scope === 'agent') await checkAgent(parts, flag.subject);
  const isNew = await openLedger(database).raiseFlag(flag.scope, flag.subject, reason, by);
  const progress = { halted: 0, of: 0 };
  const left: string[] = [];
  try {
    progress.of = await countToHalt(database, flag);
    options.onProgress?.({ ...progress });
    // Each run is taken once and none is started under a flag, so this ends.
    for (;;) {
      const batch = await takeToHalt(database, flag);
      if (batch.length === 0) break;
      const { told, failures, unreachable } = await tellToHalt(parts, batch);
      progress.halted += told;
      options.onProgress?.({ ...progress });
      left.push(...failures);
      if (unreachable === undefined) continue;
      left.push(`Temporal does not answer: ${unreachable}`);
      break;
    }
    // Of those, a worker's sweep may have told some.
    const untold = await countToHalt(database, flag);
    if (left.length === 0) progress.halted = progress.of - untold;
    if (left.length === 0 && untold > 0) left.push(`a worker is telling ${untold} of them now`);
  } catch (error) {
    if (!isStorageUnavailable(error)) throw error;
    left.push((error as Error).message);
  }
  return {
    isNew,
    ...progress,
    ...(left.length === 0 ? {} : { left: left.slice(0, 3).join('; ') }),
  };
}

/** @throws InputRejected  Not one scope, no reason, or no such flag stands. */
export async function lift(
  parts: Pick<Parts, 'database' | 'by'>,
  target: StopTarget,
  options: StopOptions,
): Promise<void> {
  const flag = toFlag(target);
  if (!(await liftFlag(parts.database, { ...flag, ...readWords('lift', parts, options) })))
    throw new BelayerError(
      failureType.inputRejected,
      `${subjectWords(flag)} is not stopped: there is no flag to lift. \`belayer flags\` lists what stands.`,
    );
}

const scopes = ['customer', 'agent', 'installation'] as const;

/** @throws InputRejected  Anything but one scope with its subject. */
export function toFlag(target: StopTarget): {
  readonly scope: Exclude<StopScope, 'run'>;
  readonly subject: string;
} {
  const reject = (message: string): BelayerError =>
    new BelayerError(failureType.inputRejected, message);
  if (typeof target !== 'object' || target === null)
    throw reject(`What to stop is ${String(target)}; it must be an object such as { customer }.`);
  const given = Object.entries(target).filter(([, value]) => value !== undefined);
  if ('run' in target)
    throw reject(
      'A run’s own flag is set with `run.halt()` and cannot be lifted: a halted run ends.',
    );
  const [first] = given;
  if (given.length !== 1 || first === undefined)
    throw reject(
      `Exactly one of ${scopes.join(', ')} must be given; given: ${given.map(([name]) => name).join(', ') || 'none'}.`,
    );
  const [name, value] = first;
  const scope = scopes.find((known) => known === name);
  if (scope === undefined)
    throw reject(`\`${name}\` is nothing that can be stopped; known are ${scopes.join(', ')}.`);
  if (scope === 'installation') {
    if (value !== true) throw reject(`\`installation\` is ${String(value)}; it must be true.`);
    return { scope, subject: '' };
  }
  const charsMax = scope === 'agent' ? limits.agentNameCharsMax : limits.customerCharsMax;
  if (typeof value !== 'string' || value === '' || value.length > charsMax)
    throw reject(
      `\`${scope}\` is ${typeof value === 'string' ? (value === '' ? 'an empty string' : `${value.length} characters long`) : String(value)}; it must be a string of 1 to ${charsMax} characters.`,
    );
  return { scope, subject: value };
}

/** A reason is needed, but no stop is refused for the length of its words. */
function readWords(
  call: 'stop' | 'lift',
  parts: Pick<Parts, 'by'>,
  options: StopOptions,
): { readonly reason: string; readonly by: string } {
  refuse(
    `\`${call}\``,
    wordMistakes(options, {
      known: ['reason', 'by', ...(call === 'stop' ? ['onProgress'] : [])],
      reason: 'needed',
      tooLong: 'cut',
    }),
    call === 'stop' ? 'Nothing was stopped.' : 'Nothing was lifted.',
  );
  return {
    reason: options.reason.slice(0, limits.reasonCharsMax),
    by: (options.by ?? parts.by).slice(0, limits.decidedByCharsMax),
  };
}

/** A misspelt name would leave the agent running and somebody believing that it is not. */
async function checkAgent({ database }: Pick<Parts, 'database'>, agent: string): Promise<void> {
  const known = await publishedAgents(database);
  if (known.includes(agent)) return;
  throw new BelayerError(
    failureType.agentUnknown,
    `No worker has published an agent \`${agent}\`, so nothing was stopped. Published: ${known.slice(0, 20).join(', ') || 'none'}.`,
  );
}
