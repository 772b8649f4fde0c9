/** What a human is asked, and by whom: a person at the terminal, or the rule for when nobody is there. */
import pc from 'picocolors';
import { BelayerError, type RequestRow, type Run } from 'belayer/client';
import type { Finding } from './books.ts';
import { plain, visible } from './progress.ts';

export interface Question {
  readonly file: string;
  readonly run: Run;
  readonly position: string;
  /** Aborted when it is decided, by whomever, or the program ends. */
  readonly closed: AbortSignal;
}

export interface Approvals {
  /** Resolves when the question is decided, by whomever, or `closed` is aborted. */
  ask(question: Question): Promise<void>;
}

/** What is known of the call: with what arguments, what was tried, and what the books say. */
export function factsOf(request: RequestRow, finding?: Finding): string[] {
  const given = JSON.parse(request.arguments) as Readonly<Record<string, unknown>>;
  return [
    ...Object.entries(given).map(([name, value]) => fact(name, JSON.stringify(value))),
    ...request.evidence.map(({ number, startedAt, worker, outcome, detail }) =>
      fact(
        `attempt ${number}`,
        `${startedAt.slice(11, 19)} UTC on ${worker}, ${outcome}${detail === null ? '' : `: ${detail.split('\n')[0]}`}`,
      ),
    ),
    ...(finding === undefined ? [] : [`${'books'.padEnd(10)} ${pc.bold(visible(finding.text))}`]),
  ];
}

const fact = (name: string, value: string): string =>
  `${visible(name).padEnd(10)} ${visible(value)}`;

export const openRequest = async (run: Run, position: string): Promise<RequestRow | undefined> =>
  (await run.requests()).find(
    (request) => request.position === position && request.state === 'open',
  );

/** A decision that came too late is no failure: someone else, or the deadline, was first. */
export async function decide(send: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await send();
    return undefined;
  } catch (error) {
    if (error instanceof BelayerError) return plain(error);
    throw error;
  }
}
