/** Types only: what `connect<typeof app>()` knows of an application's agents. */
import type { AgentInput, AgentOutput, AnyAgent } from './agent.ts';
import type { App } from './define-app.ts';

/** The agents that an application lists, or the one agent that stands for it. */
export type AgentsOf<A> = A extends App<infer L> ? L[number] : A extends AnyAgent ? A : never;

/** `'support' | 'triage'`; any string for an application that is not known by type. */
export type AgentName<A> = AgentsOf<A>['name'];

type AgentNamed<A, N> = WithName<AgentsOf<A>, N>;
type WithName<G, N> = G extends AnyAgent ? (N extends G['name'] ? G : never) : never;

/** What `start` takes for the agent: before defaults and transforms. A string without a schema. */
export type InputOf<A, N extends AgentName<A>> = AgentInput<AgentNamed<A, N>['input']>;

/** What a run of the agent gives: after defaults. A string without a schema. */
export type OutputOf<A, N extends AgentName<A>> = AgentOutput<AgentNamed<A, N>['output']>;
