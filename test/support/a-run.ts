/** Builders for runs' states: a test states only what matters to it. */
import type { AgentRunInput, ProposedCall, RunToolOutput } from '../../contracts/agent-run.ts';
import type { ToolPolicy } from '../../contracts/definitions.ts';
import { firstState, type RunState } from '../../rules/run-state.ts';
import { afterModelReply, afterModelStarted } from '../../rules/transitions.ts';

const retry = { attempts: 3, firstDelayMs: 1, factor: 2, maxDelayMs: 10 };
export const policies: Readonly<Record<string, ToolPolicy>> = {
  read: { effect: 'read', placement: 'near', timeoutMs: 2_000, retry },
  pay: { effect: 'write', repeat: 'never', placement: 'queue', timeoutMs: 2_000, retry },
};

export const anInput = (overrides: Partial<AgentRunInput> = {}): AgentRunInput => ({
  agent: 'tested',
  definition: 'd',
  models: ['small', 'large'],
  modelPlacement: 'queue',
  modelTimeoutMs: 1_000,
  tools: policies,
  limits: { costMicroUsd: 1_000, tokens: 1_000, steps: 5, wallMs: 60_000 },
  structured: false,
  transcript: { chain: 0, length: 1, head: 'h', bytes: 10 },
  depth: 0,
  ...overrides,
});

export const aRun = (
  overrides: Partial<RunState> = {},
  input: Partial<AgentRunInput> = {},
): RunState => ({
  ...firstState(anInput(input), 0),
  ...overrides,
});

export const call = (tool: string, more: Partial<ProposedCall> = {}): ProposedCall => ({
  id: `id-${tool}`,
  tool,
  arguments: '{}',
  argumentsHash: `hash-${tool}`,
  ...more,
});

/** A run whose model has just asked for these calls. */
export function askedFor(state: RunState, ...calls: readonly ProposedCall[]): RunState {
  const position = `${state.step + 1}`;
  return afterModelReply(afterModelStarted(state, position), position, {
    kind: 'calls',
    transcript: { chain: 0, length: state.transcript.length + 1, head: 'h2', bytes: 20 },
    cost: { costMicroUsd: 1, tokens: 1 },
    calls,
  });
}

export const done = (hash = 'r'): RunToolOutput => ({
  kind: 'done',
  input: 'i',
  status: 'ok',
  hash,
  bytes: 5,
  label: 'U',
});
