import { InvalidArgumentError } from 'commander';

/** For an option's value: a whole number that is at least `min`. */
export const wholeNumberFrom =
  (min: number) =>
  (text: string): number => {
    const value = Number(text);
    if (!/^[0-9]+$/.test(text) || !Number.isSafeInteger(value) || value < min)
      throw new InvalidArgumentError(`It must be a whole number from ${min}.`);
    return value;
  };

/** For an option's value: a number above `limit`. */
export const numberFrom =
  (limit: number) =>
  (text: string): number => {
    const value = Number(text);
    if (text.trim() === '' || !Number.isFinite(value) || value <= limit)
      throw new InvalidArgumentError(`It must be a number above ${limit}.`);
    return value;
  };

/** 0 to 100, fractions too. */
export function percentFrom(text: string): number {
  const percent = Number(text);
  if (/^[0-9]+(\.[0-9]+)?$/.test(text) && percent <= 100) return percent;
  throw new InvalidArgumentError('It must be a number from 0 to 100.');
}
