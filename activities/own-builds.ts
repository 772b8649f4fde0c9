import type { ChooseBuilds } from '../storage/new-run.ts';
import type { ActivityDependencies } from './dependencies.ts';

/**
 * A run that a worker begins for another one (a sub-agent, an agent in an application's workflow) is of the
 * worker's own build: Temporal keeps a child with its parent's.
 */
export const ownBuilds =
  ({ build }: Pick<ActivityDependencies, 'build'>): ChooseBuilds =>
  (deployment) =>
    Promise.resolve(build?.deployment === deployment ? [build.buildId] : []);
