/**
 * Describes. What an application writes: tools, agents and the application itself, checked when
 * they are defined. Nothing runs in this room, and nothing here knows Temporal or PostgreSQL.
 */
export { askHuman, type AskHumanOptions } from './ask-human.ts';
export { defineAgent } from './define-agent.ts';
export { defineApp, type App } from './define-app.ts';
export { defineTool } from './define-tool.ts';
export { NotDone, ToolError, type ToolErrorOptions } from './tool-errors.ts';
export type { Agent, AnyAgent } from './agent.ts';
export type { AgentSpec, Limits, Session } from './agent-spec.ts';
export type { AgentName, AgentsOf, InputOf, OutputOf } from './app-types.ts';
export type { Cache } from './cache-policy.ts';
export type { Duration } from './duration.ts';
export type { JsonResult, Tool, ToolContext, ToolLog, Verified } from './tool.ts';
export type {
  Cascade,
  Check,
  CheckSeen,
  Confidence,
  Route,
  Routed,
  RouteSeen,
  Stop,
  StopSeen,
  StopWhen,
} from './routing-spec.ts';
export type { Approval, Ask, Fallback, Retry, ToolSpec } from './tool-spec.ts';
