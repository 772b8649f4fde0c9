/** Random numbers from a seed (mulberry32), so that what failed once fails again. */
export interface Seeded {
  readonly seed: number;
  /** From 0 up to 1. */
  next(): number;
  chance(probability: number): boolean;
  pick<Value>(values: readonly Value[]): Value;
}

/** The seed is `SEED` of the environment, or this test's own. */
export function seeded(own: number): Seeded {
  const seed = Number(process.env['SEED'] ?? own);
  let state = seed | 0;
  const next = (): number => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
  return {
    seed,
    next,
    chance: (probability) => next() < probability,
    pick<Value>(values: readonly Value[]): Value {
      return values[Math.floor(next() * values.length)] as Value;
    },
  };
}
