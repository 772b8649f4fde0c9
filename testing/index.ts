/** Pretends: `belayer/testing`, for an application's own tests. */
export * from './provider/index.ts';
