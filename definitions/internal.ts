/** What Belayer's own rooms need of definitions. Not exported by the package. */
export { childInputOf } from './agent-as-tool.ts';
export { toMicroUsd } from './agent-limits.ts';
export { asApp } from './as-app.ts';
export { readDuration, toMilliseconds } from './duration.ts';
export { readMoment } from './moment.ts';
export { freezeAgent, type Surroundings } from './freeze.ts';
export { hiddenToolsOf } from './tool-fallback.ts';
export type { FallbackTool } from './tool.ts';
export { show } from './show.ts';
export type { AgentFunctions } from './routing-spec.ts';
export { isNotDone, isToolError } from './tool-errors.ts';
export * from './index.ts';
