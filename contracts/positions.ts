/**
 * Positions: where a call stands in its run. These strings are keys of tables and idempotency keys
 * of the outside world, so their spelling is for ever.
 *
 *   7             the model call of step 7           7.2             its second tool call
 *   7/repair-1    the model is told what was wrong   7.2/approval    a human is asked before it runs
 *   7/fallback-1  the next model of the chain        7.2/unknown     a human is asked what happened
 *   7.2/question     a human is asked what the model wants to know
 *   7.2/fallback-1   another tool in its place   7.2/fallback-1-approval ... as above, for that one
 *   7.2/escalation   a human is asked what to do about a failure   7/escalation   ... of the run itself
 *   7/interrupt-1    the call again, with the message that interrupted it
 *   7/route          which model step 7 begins with
 *   7/up-1           a larger model is asked, since the reply of the one before would not do
 *   said/HASH        not a call: where the transcript holds a person's message
 *   RUN/7.2       the child run of that call
 */
export type Position = string;

export const modelPosition = (step: number): Position => `${step}`;
export const repairPosition = (step: number, repair: number): Position =>
  `${step}/repair-${repair}`;
export const fallbackPosition = (base: Position, fallback: number): Position =>
  serving(base, `fallback-${fallback}`);
export const interruptPosition = (base: Position, time: number): Position =>
  serving(base, `interrupt-${time}`);
export const routePosition = (step: number): Position => serving(modelPosition(step), 'route');
export const raisedPosition = (base: Position, time: number): Position =>
  serving(base, `up-${time}`);
export const toolPosition = (step: number, index: number): Position => `${step}.${index + 1}`;
export const approvalPosition = (call: Position): Position => serving(call, 'approval');
export const questionPosition = (call: Position): Position => serving(call, 'question');
export const unknownPosition = (call: Position, time: number): Position =>
  serving(call, time === 1 ? 'unknown' : `unknown-${time}`);
export const escalationPosition = (base: Position, time: number): Position =>
  serving(base, time === 1 ? 'escalation' : `escalation-${time}`);
export const saidPosition = (hash: string): Position => `said/${hash}`;
export const childRunId = (run: string, call: Position): string => `${run}/${call}`;

/** What serves a position: `7/repair-1`, and `7/repair-1-fallback-1` for what serves that. */
const serving = (base: Position, word: string): Position =>
  `${base}${base.includes('/') ? '-' : '/'}${word}`;

/** The same for every attempt, every worker and every Temporal run id of this run. */
export const idempotencyKey = (run: string, position: Position): string => `${run}/${position}`;

/** The step that a position belongs to. `NaN` where it is not a position. */
export const stepOf = (position: Position): number => Number.parseInt(position, 10);

const positionPattern = /^[1-9][0-9]*(\.[1-9][0-9]*)?(\/[a-z]+(-[a-z0-9]+)*)?$/;
export const isPosition = (text: string): boolean => positionPattern.test(text);
