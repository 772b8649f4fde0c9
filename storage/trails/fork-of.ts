import type { Position } from '../../contracts/positions.ts';
import type { TrailRows } from './trail-rows.ts';

export interface ForkPoint {
  /** The run that it was forked from. */
  readonly run: string;
  /** Its own rows begin here; what was before is its parent's. */
  readonly at: Position;
}

/** Where a run was forked from another. The one place that knows how a run's row says so. */
export function forkOf(rows: TrailRows): ForkPoint | undefined {
  const [row] = rows.rows('run');
  const run = row?.['fork_of'];
  const at = row?.['fork_at'];
  return typeof run === 'string' && typeof at === 'string' ? { run, at } : undefined;
}
