/** One thing that must hold, how often it was looked at, and where it did not hold. */
export interface Check {
  readonly holds: string;
  readonly looked: number;
  readonly violations: readonly string[];
}

/** Looks at each, and keeps what is said of those where it does not hold. */
export function check<Item>(
  holds: string,
  items: Iterable<Item>,
  violation: (item: Item) => string | undefined,
): Check {
  const violations: string[] = [];
  let looked = 0;
  for (const item of items) {
    looked += 1;
    const said = violation(item);
    if (said !== undefined) violations.push(said);
  }
  return { holds, looked, violations };
}
