/** Builds of an application side by side: Temporal's worker deployments, in the words of this project. */

/** Temporal writes `deployment.build` and `deployment:build`, so neither mark may be in a name. */
export const deploymentName = /^[A-Za-z0-9][A-Za-z0-9_-]*$/;
export const buildName = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;

export const deploymentNameRule = 'letters, digits, _ and -, and begin with one of the first two';
export const buildNameRule = 'letters, digits, ., _ and -, and begin with one of the first two';

/** One build of one deployment. Both names reach histories, by Temporal's own events. */
export interface Build {
  readonly deployment: string;
  readonly buildId: string;
}

/** Whose worker carries a definition out; undefined: anyone's. */
export const buildOf = (frozen: {
  readonly deployment?: string;
  readonly buildId: string;
}): Build | undefined =>
  frozen.deployment === undefined
    ? undefined
    : { deployment: frozen.deployment, buildId: frozen.buildId };

/** Where starts go. */
export interface Routing {
  /** Absent: none takes starts yet, or workers without a deployment do. */
  readonly current?: string;
  /** `percent` of the starts, 0 to 100, go to this build in place of the current one. */
  readonly ramping?: { readonly buildId: string; readonly percent: number };
}
