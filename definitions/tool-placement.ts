import type { Effect } from '../contracts/definitions.ts';
import { limits } from '../contracts/limits.ts';
import { inWords } from './duration.ts';
import type { FieldReader } from './field-reader.ts';
import type { Mistakes } from './mistakes.ts';
import type { ToolData } from './tool.ts';

interface Declared {
  readonly effect: Effect | undefined;
  readonly placement?: unknown;
  readonly timeout?: unknown;
  readonly isChild: boolean;
}

type Placed = Pick<ToolData, 'placement' | 'timeoutMs' | 'movesToQueueMs'>;

/**
 * Where a tool runs, and for how long one attempt may take.
 *
 * 1. Writes, egress and sub-agents run on the queue: a near call is executed again after a crash
 *    without a heartbeat in between, and it holds its workflow task.
 * 2. A computation or read is near, unless it says that it may take longer than `nearToolMsMax`.
 * 3. A near tool that declared no timeout gets `nearToolMsMax` near, and the default on the queue.
 */
export function readPlacement(declared: Declared, read: FieldReader, mistakes: Mistakes): Placed {
  const { effect, isChild } = declared;
  const timeoutMs = read.duration('timeout', declared.timeout, 'toolMsMax');
  const wanted = read.oneOf('placement', declared.placement, ['near', 'queue']);
  const mayBeNear = !isChild && (effect === 'none' || effect === 'read');
  const fits = timeoutMs === undefined || timeoutMs <= limits.nearToolMsMax;

  if (wanted === 'near' && !mayBeNear && effect !== undefined) {
    mistakes.add(
      `\`placement\`: 'near' is only for effects 'none' and 'read'; this one is '${effect}'`,
    );
  }
  if (wanted === 'near' && mayBeNear && !fits) {
    mistakes.add(
      `\`timeout\` of a near tool is at most \`nearToolMsMax\` (${inWords(limits.nearToolMsMax)}); this one is ${inWords(timeoutMs)}`,
    );
  }
  if (wanted === 'queue' || !mayBeNear || !fits) {
    return { placement: 'queue', timeoutMs: timeoutMs ?? limits.toolMsDefault };
  }
  return timeoutMs === undefined
    ? { placement: 'near', timeoutMs: limits.nearToolMsMax, movesToQueueMs: limits.toolMsDefault }
    : { placement: 'near', timeoutMs };
}
