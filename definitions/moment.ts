/**
 * A moment that a person wrote: a day in UTC (`2026-10-01`, its first instant), or an instant with its zone
 * (`2026-10-01T12:00Z`, `2026-10-01T14:00:00+02:00`). A time without a zone means something else on each machine.
 */
const written =
  /^(\d{4}-\d{2}-\d{2})(?:T\d{2}:\d{2}(?::\d{2}(?:\.\d{1,3})?)?(?:Z|[+-]\d{2}:\d{2}))?$/;

/** @returns the moment, or what is wrong as the end of a sentence. */
export function readMoment(value: unknown): { readonly at: Date } | { readonly problem: string } {
  const problem = `must be a day in UTC such as 2026-10-01, or an instant such as 2026-10-01T12:00:00Z`;
  if (value instanceof Date)
    return Number.isNaN(value.getTime()) ? { problem: 'is a Date without a time' } : { at: value };
  const [, day] = (typeof value === 'string' ? written.exec(value) : null) ?? [];
  if (typeof value !== 'string' || day === undefined) return { problem };
  const at = new Date(value);
  // The 30th of February becomes a day in March.
  const first = new Date(`${day}T00:00:00Z`);
  if (
    Number.isNaN(at.getTime()) ||
    Number.isNaN(first.getTime()) ||
    !first.toISOString().startsWith(day)
  )
    // prettier-ignore
    return { problem: `names no moment that there is; it ${problem}` };
  return { at };
}
