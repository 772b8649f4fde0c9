import { limits } from '../contracts/limits.ts';
import type { Mistakes } from './mistakes.ts';
import { show } from './show.ts';

type LimitName = keyof typeof limits;

/** A list of different texts that are not empty: people, or codes. Undefined where it is absent or wrong. */
export function readNames(
  name: string,
  value: unknown,
  bounds: { readonly max: LimitName; readonly chars: LimitName },
  mistakes: Mistakes,
): readonly string[] | undefined {
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.length === 0) {
    mistakes.add(`\`${name}\` must be a list of at least one name; ${show(value)} is not`);
    return undefined;
  }
  if (value.length > limits[bounds.max]) {
    mistakes.add(`\`${name}\` has ${value.length}; \`${bounds.max}\` is ${limits[bounds.max]}`);
  }
  const names: string[] = [];
  for (const one of value as unknown[]) {
    if (typeof one !== 'string' || one.trim() === '') {
      mistakes.add(`\`${name}\`: ${show(one)} is no name`);
    } else if (one.length > limits[bounds.chars]) {
      mistakes.add(
        `\`${name}\`: ${show(one)} has ${one.length} characters; \`${bounds.chars}\` is ${limits[bounds.chars]}`,
      );
    } else if (names.includes(one)) {
      mistakes.add(`\`${name}\`: ${show(one)} is named twice`);
    } else {
      names.push(one);
    }
  }
  return Object.freeze(names);
}
