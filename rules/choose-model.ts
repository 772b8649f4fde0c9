/**
 * Which of an agent's tiers the next model call is made with, and why.
 *
 * 1. A step begins with what its route says, else with the cascade's first tier, else with the first.
 * 2. From there a step only goes up: where a reply would not do, or where a model cannot be reached.
 * 3. What cannot be reached is passed over for the rest of the run, as with models without tiers.
 *
 * Nothing here is asked about a run whose agent has no tiers, except for the step's `ups`: they are in its positions.
 */
import type { ModelChoice, RouteFacts } from '../contracts/routing.ts';
import { limits } from '../contracts/limits.ts';
import type { RunState } from './run-state.ts';

/** The first model from there on that was not found to be out of reach; where all were, the one that was wanted. */
export function standing(
  { input, failed = [] }: Pick<RunState, 'input' | 'failed'>,
  wanted: number,
): number {
  const found = input.models.findIndex((_, index) => index >= wanted && !failed.includes(index));
  return found < 0 ? wanted : found;
}

const firstTier = (state: RunState): number => state.input.cascade?.from ?? 0;

/** Of an agent with tiers: where the model of the next call stands, before budgets have a say. */
const tierNow = (state: RunState): number =>
  state.choice?.index ?? standing(state, firstTier(state));

/** Where the model of the next call stands in the agent's list: a shared budget may leave only a cheaper one. */
export const modelIndexNow = (state: RunState): number =>
  state.degradedTo ?? (state.input.tiers === undefined ? state.modelIndex : tierNow(state));

/** The next larger tier that may be reached; a fallback behind the tiers is none. */
function nextTier(state: RunState): number | undefined {
  const { tiers = [] } = state.input;
  const now = tierNow(state);
  const found = tiers.findIndex(
    (_, index) => index > now && state.failed?.includes(index) !== true,
  );
  return found < 0 ? undefined : found;
}

/** Whether a final reply of the next call may be rejected for a larger tier. A model of a budget's choice is taken at its word. */
export const mayRaise = (state: RunState): boolean =>
  state.input.cascade !== undefined &&
  state.degradedTo === undefined &&
  nextTier(state) !== undefined;

/** Where a model that cannot be reached has another one behind it; of a cheaper one that a budget chose, a fallback. */
export function nextModel(state: RunState): number | undefined {
  const { models, tiers } = state.input;
  const now = modelIndexNow(state);
  const from =
    state.degradedTo === undefined || tiers === undefined
      ? now + 1
      : Math.max(now + 1, tiers.length);
  const found = models.findIndex(
    (_, index) => index >= from && state.failed?.includes(index) !== true,
  );
  return found < 0 ? undefined : found;
}

/** The name by which the application knows a model of the list. */
const nameOf = ({ input }: RunState, index: number): string =>
  input.tiers?.[index] ?? input.models[index] ?? '';

/** How the reason begins where a budget, or a provider's rate, put a model in another's place. */
export const degradedChoice = 'degraded';

/** Why it is the model that it is, for the journal. */
export function choiceNow(state: RunState): string {
  if (state.degradedTo !== undefined)
    return `${degradedChoice}: a shared budget has no room for another`;
  if (state.choice !== undefined) return state.choice.because;
  const wanted = firstTier(state);
  return tierNow(state) === wanted ? 'first tier' : passedOver(state, wanted);
}

const passedOver = (state: RunState, wanted: number): string =>
  `fallback: ${nameOf(state, wanted)} could not be reached before`;

/** The step that is about to begin has to be routed first. */
export const needsRoute = (state: RunState): boolean =>
  state.input.route === true && state.choice === undefined && state.repairs === 0;

const bytesPerToken = 4;

/** What the route of the next step is told. */
export function routeFacts(state: RunState, pendingBytes: number): RouteFacts {
  const { transcript, lastModel, session, calls, spent } = state;
  const told = transcript.tokens ?? Math.ceil(transcript.bytes / bytesPerToken);
  return {
    step: state.step + 1,
    ...(session === undefined ? {} : { turn: session.turn }),
    promptTokens: told + Math.ceil(pendingBytes / bytesPerToken),
    ...(lastModel === undefined ? {} : { lastModel: nameOf(state, lastModel) }),
    toolCalls: calls.map(({ proposed }) => proposed.tool),
    toolErrors: calls.filter(
      ({ failed, result }) => failed === true || (result !== undefined && 'error' in result),
    ).length,
    spentMicroUsd: spent.costMicroUsd,
  };
}

/** The route has said which tier, or has left it to the order. */
export function afterRouted(
  state: RunState,
  { tier, because }: { readonly tier?: number; readonly because?: string },
): RunState {
  const wanted = tier ?? firstTier(state);
  const index = standing(state, wanted);
  const words =
    tier === undefined ? 'first tier' : because === undefined ? 'route' : `route: ${because}`;
  const choice: ModelChoice = {
    wanted,
    index,
    because: index === wanted ? words : passedOver(state, wanted),
    ups: 0,
  };
  return { ...state, choice };
}

/** The reply would not do: the same is asked of the next tier. What was rejected is no part of the transcript. */
export function afterRaised(state: RunState, because: string): RunState {
  const { choice } = state;
  const now = tierNow(state);
  const next = nextTier(state) ?? now;
  return {
    ...state,
    // Each rise counts its own fallbacks.
    fallbacks: 0,
    choice: {
      wanted: next,
      index: next,
      because: `up: ${because}`.slice(0, limits.choiceCharsMax),
      ups: (choice?.ups ?? 0) + 1,
    },
  };
}

/** The model could not be reached: for this call the next one, and for all that come it is passed over. */
export function afterUnreached(state: RunState, next: number, type: string): RunState {
  const { choice } = state;
  const failed = [...(state.failed ?? []), modelIndexNow(state)].toSorted((a, b) => a - b);
  const unreached = { ...state, failed: [...new Set(failed)] };
  if (state.degradedTo !== undefined) return { ...unreached, degradedTo: next };
  return {
    ...unreached,
    choice: {
      wanted: choice?.wanted ?? tierNow(state),
      index: next,
      because: `fallback: ${nameOf(state, modelIndexNow(state))} failed with ${type}`.slice(
        0,
        limits.choiceCharsMax,
      ),
      ups: choice?.ups ?? 0,
    },
  };
}

/** A human says to try the models again: all of them count as reachable. */
export function afterTriedAgain(state: RunState): RunState {
  const { failed: _, choice, ...rest } = state;
  return choice === undefined ? rest : { ...rest, choice: { ...choice, index: choice.wanted } };
}

/** A reply was taken. A repair goes to the model that is to mend it, at positions of its own. */
export function afterTaken(state: RunState, isMisfit: boolean): RunState {
  const { choice, ...rest } = state;
  // A fork may have other models than the run in which a larger one was asked.
  if (state.input.tiers === undefined) return choice === undefined ? state : rest;
  return {
    ...rest,
    lastModel: modelIndexNow(state),
    ...(isMisfit && choice !== undefined ? { choice: { ...choice, ups: 0 } } : {}),
  };
}

/** Whether another model counted the transcript's tokens than is asked now. */
export const isCountedByAnother = (state: RunState): boolean =>
  state.lastModel !== undefined && state.lastModel !== modelIndexNow(state);
