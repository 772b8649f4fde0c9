import { BelayerError, failureType } from '../../contracts/failures.ts';
import type { Position } from '../../contracts/positions.ts';
import type { RunState } from '../../rules/run-state.ts';
import type { ParentRow } from '../../storage/forks/parent.ts';

/** What was redacted when a run was exported cannot be sent to a model as if it were what was said. @throws ContentRedacted */
export function refuseRedacted(
  { id, definition, void: gone }: ParentRow,
  { at, state }: { readonly at: Position; readonly state: RunState },
): void {
  if (gone === null) return;
  const { chain, length } = state.transcript;
  const pending = new Set([at, ...state.entries.map((entry) => entry.at)]);
  const own = <Item extends { readonly run: string }>(items: readonly Item[]): readonly Item[] =>
    items.filter(({ run }) => run === id);
  const isGone =
    definition.startsWith('redacted:') ||
    own(gone.chains).some((known) => known.chain === chain && known.from < length) ||
    own(gone.prompts).some(({ position }) => position === at) ||
    own(gone.content).some(
      ({ part, position }) =>
        pending.has(position) || (part === 'said' && pending.has(`said/${position}`)),
    );
  if (!isGone) return;
  throw new BelayerError(
    failureType.contentRedacted,
    `Run \`${id}\` cannot be forked at \`${at}\`: something of what was said before was redacted when it was exported, so a model cannot be told it. Nothing was started.`,
  );
}
