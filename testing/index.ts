/** Pretends: `belayer/testing`, for an application's own tests. */
export * from './provider/index.ts';
export {
  simulate,
  type Simulated,
  type SimulatedCall,
  type SimulatedRequest,
  type SimulateOptions,
} from './simulate.ts';
export { replay, ReplayDiffers, type ReplayDifference, type ReplayInput } from './replay/index.ts';
export * from './rerun/index.ts';
