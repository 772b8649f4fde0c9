/** What the ways to people have in common: what is told, under which name, and what came of it. */
import { limits } from '../../contracts/limits.ts';
import { sha256 } from '../../storage/hash.ts';
import type { Announcement, AnnouncementChannel } from '../../storage/announcements.ts';

export interface Channel {
  readonly name: AnnouncementChannel;
  /** Bounded in time; never throws for what a receiver does. */
  deliver(announcement: Announcement): Promise<Delivery>;
  close(): void;
}

export type Delivery =
  /** `note`: what is worth a line in the log all the same. */
  | { readonly kind: 'delivered'; readonly note?: string }
  | { readonly kind: 'later'; readonly error: string; readonly retryAfterMs?: number }
  /** The receiver wants no more of it: it is given up at once. */
  | { readonly kind: 'refused'; readonly error: string };

/** The same for every attempt, so that a receiver can drop doubles. Without a full stop, which signatures use. */
export const announcementId = ({ run, number }: Pick<Announcement, 'run' | 'number'>): string =>
  `ann_${sha256(`${run}#${number}`).slice(0, 32)}`;

/** Arguments as they would be sent; what is over the limit is cut, and the cut says so. */
export function shownArguments(json: string): { readonly text: string; readonly isCut: boolean } {
  const bytes = Buffer.from(json, 'utf8');
  const bytesMax = limits.announceArgumentsBytesMax;
  if (bytes.length <= bytesMax) return { text: json, isCut: false };
  // A character that the cut splits is left out.
  const shown = new TextDecoder().decode(bytes.subarray(0, bytesMax), { stream: true });
  return {
    text: `${shown} [CUT: ${bytesMax} of ${bytes.length} bytes are shown; the rest is in the inbox]`,
    isCut: true,
  };
}

/** What to type, by what may be decided. */
export function commandsFor({
  kind: what,
  run,
  position,
  request,
}: Pick<Announcement, 'kind' | 'run' | 'position' | 'request'>): Readonly<Record<string, string>> {
  if (what === 'budget.threshold') return { budgets: 'belayer budget show' };
  if (request === null) return { look: `belayer show ${run}`, stuck: 'belayer stuck --now' };
  const { kind, about, isShared } = request;
  const where = `${run} ${position ?? ''}`;
  const isAnswered = kind === 'question' || kind === 'unknown' || about === 'tool';
  return {
    ...(kind === 'question' || (about === 'budget' && !isShared)
      ? {}
      : { approve: `belayer approve ${where}` }),
    ...(isAnswered ? { answer: `belayer answer ${where} TEXT` } : {}),
    ...(about === 'budget' ? { extend: `belayer extend ${run} --cost-usd N` } : {}),
    deny: `belayer deny ${where}`,
  };
}
