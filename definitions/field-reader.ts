import { limits } from '../contracts/limits.ts';
import { readDuration } from './duration.ts';
import type { Mistakes } from './mistakes.ts';
import { show } from './show.ts';

type LimitName = keyof typeof limits;

/**
 * Reads the fields of a definition, whatever a caller without types put there. A field that cannot
 * be read is added to the mistakes and read as undefined; so is an absent one, without a mistake.
 */
export class FieldReader {
  readonly #mistakes: Mistakes;
  constructor(mistakes: Mistakes) {
    this.#mistakes = mistakes;
  }

  text(name: string, value: unknown, max: LimitName): string | undefined {
    if (typeof value !== 'string' || value.trim() === '') {
      this.#mistakes.add(
        value === undefined
          ? `\`${name}\` is missing`
          : `\`${name}\` must be a text; ${show(value)} is not`,
      );
      return undefined;
    }
    const bytes = new TextEncoder().encode(value).length;
    if (bytes <= limits[max]) return value;
    this.#mistakes.add(`\`${name}\` has ${bytes} bytes; \`${max}\` is ${limits[max]}`);
    return undefined;
  }

  duration(name: string, value: unknown, max: LimitName): number | undefined {
    if (value === undefined) return undefined;
    const read = readDuration(value, { maxMs: limits[max], maxName: max });
    if ('ms' in read) return read.ms;
    this.#mistakes.add(`\`${name}\`: ${read.problem}`);
    return undefined;
  }

  count(name: string, value: unknown, max: LimitName): number | undefined {
    if (value === undefined) return undefined;
    if (
      typeof value === 'number' &&
      Number.isInteger(value) &&
      value >= 1 &&
      value <= limits[max]
    ) {
      return value;
    }
    this.#mistakes.add(
      `\`${name}\`: ${show(value)} must be a whole number from 1 to ${limits[max]} (\`${max}\`)`,
    );
    return undefined;
  }

  number(name: string, value: unknown, range: { min: number; max: number }): number | undefined {
    if (value === undefined) return undefined;
    if (typeof value === 'number' && value >= range.min && value <= range.max) return value;
    this.#mistakes.add(
      `\`${name}\`: ${show(value)} must be a number from ${range.min} to ${range.max}`,
    );
    return undefined;
  }

  oneOf<T extends string>(name: string, value: unknown, words: readonly T[]): T | undefined {
    if (value === undefined) return undefined;
    const found = words.find((word) => word === value);
    if (found === undefined) {
      this.#mistakes.add(`\`${name}\`: ${show(value)} is none of ${quoted(words)}`);
    }
    return found;
  }

  /** The value as an object with keys; an empty one where it is absent or wrong. */
  object(name: string, value: unknown): Readonly<Record<string, unknown>> {
    if (value === undefined) return {};
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
      return value as Readonly<Record<string, unknown>>;
    }
    this.#mistakes.add(`\`${name}\` must be an object; ${show(value)} is not`);
    return {};
  }
}

export function quoted(words: readonly string[]): string {
  return words.map((word) => `'${word}'`).join(', ');
}
