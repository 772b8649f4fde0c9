import type { AskPolicy } from '../contracts/definitions.ts';

/** Why somebody may not decide about something, or undefined where they may. */
export function refuseWho(
  ask: AskPolicy | undefined,
  level: 0 | 1,
  about: string,
  said: { readonly by: string; readonly decision?: string },
): string | undefined {
  if (ask?.recordedOnly === true && said.decision === undefined)
    return `${about} takes only decisions that Belayer's client has put on record; this one was not.`;
  if (ask?.deciders === undefined) return undefined;
  const above = level === 1 ? (ask.escalation?.deciders ?? []) : [];
  const allowed = [...ask.deciders, ...above];
  return allowed.includes(said.by)
    ? undefined
    : `\`${said.by}\` may not decide on ${about}; ${allowed.map((name) => `\`${name}\``).join(', ')} may.`;
}
