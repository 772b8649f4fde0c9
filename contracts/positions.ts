/**
 * Positions: where a call stands in its run. These strings are keys of tables and idempotency keys
 * of the outside world, so their spelling is for ever.
 *
 *   7             the model call of step 7           7.2             its second tool call
 *   7/repair-1    the model is told what was wrong   7.2/approval    a human is asked before it runs
 *   7/fallback-1  the next model of the chain        7.2/unknown     a human is asked what happened
 *   RUN/7.2       the child run of that call
 */
export type Position = string;

export const modelPosition = (step: number): Position => `${step}`;
export const repairPosition = (step: number, repair: number): Position =>
  `${step}/repair-${repair}`;
export const fallbackPosition = (base: Position, fallback: number): Position =>
  `${base}${base.includes('/') ? '-' : '/'}fallback-${fallback}`;
export const toolPosition = (step: number, index: number): Position => `${step}.${index + 1}`;
export const approvalPosition = (call: Position): Position => `${call}/approval`;
export const unknownPosition = (call: Position, time: number): Position =>
  time === 1 ? `${call}/unknown` : `${call}/unknown-${time}`;
export const childRunId = (run: string, call: Position): string => `${run}/${call}`;

/** The same for every attempt, every worker and every Temporal run id of this run. */
export const idempotencyKey = (run: string, position: Position): string => `${run}/${position}`;

/** The step that a position belongs to. `NaN` where it is not a position. */
export const stepOf = (position: Position): number => Number.parseInt(position, 10);

const positionPattern = /^[1-9][0-9]*(\.[1-9][0-9]*)?(\/[a-z]+(-[a-z0-9]+)*)?$/;
export const isPosition = (text: string): boolean => positionPattern.test(text);
