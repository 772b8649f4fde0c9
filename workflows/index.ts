/** Decides: the workflows that a worker's bundle holds. The only file the bundler is given. */
export { agentRun } from './agent-run.ts';
