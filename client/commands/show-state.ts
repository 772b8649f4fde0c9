import { BelayerError, failureType } from '../../contracts/failures.ts';
import type { Position } from '../../contracts/positions.ts';
import type { Parts } from '../parts.ts';
import { exitCode } from './exit-codes.ts';
import { historyOfRun } from '../recordings/history-of-run.ts';
import { stateAtOf, withStrictReplay } from './load-replay.ts';
import { safeText } from './safe-text.ts';
import { outJson, type Terminal } from './terminal.ts';

/** Prints the whole state of a run as it was when the call at `at` was about to start. */
export async function showState(
  terminal: Terminal,
  parts: Parts,
  run: string,
  { at, isJson }: { readonly at: Position; readonly isJson: boolean },
): Promise<number> {
  const exported = await historyOfRun(parts, run);
  const found = await withStrictReplay((strict) => stateAtOf(strict, exported, at));
  if (found !== undefined && 'differs' in found) {
    terminal.note(
      safeText(
        `Today's code differs from run ${run} before ${at}, so the state would not be what it was.\n${found.differs}`,
      ),
    );
    return exitCode.failed;
  }
  if (found === undefined)
    throw new BelayerError(
      failureType.requestUnknown,
      `No call was started at \`${at}\` of run \`${run}\`, as far as its history goes.`,
    );
  if (isJson) {
    outJson(terminal, found, 'document');
    return exitCode.done;
  }
  const { execution, eventId, state } = found;
  terminal.note(
    `State of run ${run} when ${at} was about to start (execution ${execution}, event ${eventId}), by replay:`,
  );
  terminal.out(`${safeText(JSON.stringify(state, undefined, 2))}\n`);
  return exitCode.done;
}
