/** The tools of the chaos runs: one of each kind that a tool can be. */
export const toolKinds = {
  estimate: 'none',
  lookup: 'read',
  browse: 'read',
  search: 'egress',
  charge: 'keyed',
  refund: 'keyed',
  mark: 'safe',
  wire: 'never-verified',
  letter: 'never',
} as const;

export type ToolName = keyof typeof toolKinds;
export const toolNames = Object.keys(toolKinds) as readonly ToolName[];

export const isWrite = (tool: ToolName): boolean =>
  !['none', 'read', 'egress'].includes(toolKinds[tool]);

/** A human is asked before it runs. */
export const isAsked = (tool: ToolName): boolean => tool === 'refund';

/** How long one attempt may take. The service acts within a third of it or not at all. */
export const toolMs: Readonly<Record<ToolName, number>> = {
  estimate: 1_000,
  lookup: 1_000,
  browse: 2_500,
  search: 2_500,
  charge: 3_000,
  refund: 3_000,
  mark: 3_000,
  wire: 3_000,
  letter: 3_000,
};

/** What a tool sends to the service. */
export interface Asked {
  readonly tool: ToolName;
  /** The number of the run in its schedule. */
  readonly order: string;
  readonly run: string;
  readonly position: string;
  readonly attempt: number;
  /** Process id of the worker. */
  readonly worker: number;
  readonly key?: string;
}
