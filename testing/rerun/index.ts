/** Tells again: a run of an agent, from its recording, on today's definition and code. */
export type {
  DecisionDifference,
  DecisionWhy,
  PromptDifference,
  RerunCall,
  RerunCost,
  RerunMode,
  RerunOutput,
  RerunResult,
  RerunVerdict,
  SideBySide,
  StoppedAt,
  UnmatchedPolicy,
} from './rerun-result.ts';
export { rerun, type RerunOptions } from './rerun.ts';
export type { UnmatchedCall } from './rerunning.ts';
