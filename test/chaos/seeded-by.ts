import { createHash } from 'node:crypto';
import type { Seeded } from '../support/seeded.ts';

/**
 * Random numbers that hang on a seed and on what they are for, not on who asked first: the third
 * request of run 17 for its charge meets the same fault whatever else happens at the same time.
 */
export function seededBy(seed: number, ...what: readonly (string | number)[]): Seeded {
  const name = [seed, ...what].join('/');
  let drawn = 0;
  const next = (): number => {
    drawn += 1;
    return createHash('sha256').update(`${name}#${drawn}`).digest().readUIntBE(0, 6) / 2 ** 48;
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

export const between = (random: Seeded, from: number, to: number): number =>
  Math.round(from + random.next() * (to - from));
