/** Runs: `belayer/worker`, for applications that host their own worker process. */
export { startWorker, type StartWorkerOptions, type RunningWorker } from './start-worker.ts';
