import type { Hash, RunToolInput } from '../contracts/agent-run.ts';
import type { FrozenTool } from '../contracts/definitions.ts';
import type { Tool } from '../definitions/internal.ts';
import type { ActivityCall } from './activity-call.ts';
import type { AttemptBounds } from './attempt-bounds.ts';
import type { Breaker } from './tool-breakers.ts';

/** A tool call with all that is needed to carry it out. */
export interface ToolCallAtHand {
  readonly call: ActivityCall;
  readonly input: RunToolInput;
  /** Of the activity's input: local activity markers hold none. */
  readonly inputHash: Hash;
  readonly tool: Tool;
  readonly agent: string;
  /** As the model wrote them, parsed from JSON; the tool's schema has not seen them yet. */
  readonly arguments: unknown;
  readonly resultTokensMax: number;
  /** Absent outside a worker: one attempt, with the input's own timeout. */
  readonly bounds?: AttemptBounds;
  readonly breaker?: Breaker;
  /** As its run pinned it. Set where its results are kept. */
  readonly keptAs?: FrozenTool;
  /** There are other tools to try. */
  readonly hasFallbacks?: true;
}
