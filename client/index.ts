/** Asks: `belayer/client`, for application code that starts runs and answers for them. */
export { type Belayer, connect, type ConnectOptions } from './connect.ts';
export type { BudgetAmounts, Budgets, BudgetTarget, SetBudget } from './budgets.ts';
export type { ClearCache, KeptCalls } from './cache.ts';
export type { CacheRow } from '../storage/cache.ts';
export type { BudgetChange, BudgetRow } from '../storage/budgets.ts';
export type { BudgetPeriod, ExhaustionPolicy } from '../contracts/budgets.ts';
export type { CostOptions, Costs } from './costs.ts';
export type { CostKey, CostRow, CostSums } from '../storage/costs.ts';
export type { SetThrottle, Throttles, ThrottleTarget } from './throttles.ts';
export type { ProviderRate, ThrottleChange, ThrottleRow } from '../storage/throttles.ts';
export type { StartOptions } from './check-start.ts';
export {
  type Outcome,
  type Run,
  RunFailed,
  RunStopped,
  type Turn,
  type WatchOptions,
} from './run.ts';
export type { DiffSide } from './diff/diff-runs.ts';
export type { CallDiff, DiffedRun, Difference, RunDiff } from './diff/run-diff.ts';
export type { TrailCall } from './diff/trail.ts';
export type { SendOptions } from './sessions.ts';
export type { ApproveOptions, DecisionOptions, Extension } from './tell-run.ts';
export type { ForcedHalt } from './force-halt.ts';
export type { ForkEdit, ForkOptions, GivenReply } from './fork/check-fork.ts';
export type { HaltReceipt } from './halt-run.ts';
export type { StopOptions, StopProgress, StopReport, StopTarget } from './stop-flags.ts';
export type { StopFlagRow } from '../storage/stop-flags.ts';
export type { RunEvent, ReplyDelta } from '../contracts/events.ts';
export type { StopReason } from '../contracts/agent-run.ts';
export { BelayerError, failureType } from '../contracts/failures.ts';
export type { StuckOptions } from './stuck/find-stuck.ts';
export type { AnnouncementRow } from '../storage/announcements.ts';
export type { ListRequests, RequestRow } from '../storage/requests.ts';
export type { StuckRow } from '../storage/stuck.ts';
export type { ListRuns, RunRow } from '../storage/reading-runs.ts';
export { readRecording, type Recording } from '../storage/recordings/read-recording.ts';
