import { type Position, stepOf } from '../../contracts/positions.ts';
import type { Database } from '../../storage/database.ts';
import {
  type AttemptRow,
  type CallRow,
  readCalls,
  readJournal,
  readPrompt,
} from '../../storage/reading-runs.ts';
import { type RequestRow, requestsOf } from '../../storage/requests.ts';
import { promptBytes, promptText } from './prompt-bytes.ts';

/** One call with its content. */
export interface FullCall extends Omit<CallRow, 'fragment'> {
  readonly attempts: readonly AttemptRow[];
  readonly requests: readonly RequestRow[];
  /** The newest prompt that was sent, checked against its recorded hash. Model calls only. */
  readonly prompt?: {
    readonly hash: string;
    readonly bytes: number;
    readonly body: unknown;
    readonly redacted?: true;
  };
  /** The message that it left in the transcript: the model's reply, or the tool's result. */
  readonly message?: unknown;
}

/** The calls of a step, or the one at a position, with what was sent and what came back. */
export async function readCallsInFull(
  database: Database,
  run: string,
  wanted: { readonly at: Position; readonly isStep: boolean },
): Promise<readonly FullCall[]> {
  const isWanted = ({ position }: { readonly position: Position }): boolean =>
    wanted.isStep
      ? stepOf(position) === stepOf(wanted.at)
      : position === wanted.at ||
        (!wanted.at.includes('/') && position === `${wanted.at}/approval`);
  const [calls, attempts, requests] = await Promise.all([
    readCalls(database, run),
    readJournal(database, run),
    requestsOf(database, run),
  ]);
  const full: FullCall[] = [];
  for (const { fragment, ...call } of calls.filter(isWanted)) {
    const stored =
      call.kind === 'model' ? await readPrompt(database, run, call.position) : undefined;
    full.push({
      ...call,
      attempts: attempts.filter(({ position }) => position === call.position),
      requests: requests.filter(
        ({ position }) => position === call.position || position.startsWith(`${call.position}/`),
      ),
      ...(stored === undefined
        ? {}
        : {
            prompt: {
              hash: stored.hash,
              bytes: stored.bytes,
              ...(stored.isRedacted ? { redacted: true } : {}),
              body: JSON.parse(
                stored.isRedacted
                  ? promptText(stored)
                  : promptBytes(stored, `\`${call.position}\` of run \`${run}\``),
              ) as unknown,
            },
          }),
      ...(fragment === null ? {} : { message: JSON.parse(fragment) as unknown }),
    });
  }
  return full;
}
