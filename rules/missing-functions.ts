import type { FrozenAgent } from '../contracts/definitions.ts';

/** Functions that a run's definition names and that another build's definition of the agent does not. */
export function missingFunctions(
  own: Pick<FrozenAgent, 'functions'>,
  other: Pick<FrozenAgent, 'functions'>,
): readonly string[] {
  const there = new Set(other.functions);
  return own.functions.filter((name) => !there.has(name));
}
