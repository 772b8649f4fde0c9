/** Compares: recorded histories with what today's workflow code decides. Stands on Temporal's replaying worker. */
export type { ReplayDifference } from './difference.ts';
export { replay, ReplayDiffers } from './replay.ts';
export type { ReplayInput } from './read-exported.ts';
