/**
 * Tells people what is due, channel by channel.
 *
 * 1. At least once: a row is sent again when its announcer dies, or cannot record that it was sent. Its
 *    id stays the same.
 * 2. Rows of a channel that this worker does not have are left alone: another may have it.
 * 3. What cannot be sent is tried again with growing delays, and given up loudly.
 */
import type { Log } from '../activities/dependencies.ts';
import { limits } from '../contracts/limits.ts';
import {
  type Announcement,
  closeAnnouncement,
  delayAnnouncement,
  removeOldAnnouncements,
  takeAnnouncements,
} from '../storage/announcements.ts';
import type { Database } from '../storage/database.ts';
import type { Channel, Delivery } from './announce/channel.ts';
import { mailChannel } from './announce/mail.ts';
import { webhookChannel } from './announce/webhook.ts';
import type { WorkerSettings } from './settings.ts';
import { repeat } from './repeat.ts';

/** @param settings  Without `webhook` and `mail`, nothing is taken; old rows are removed all the same. */
export function startAnnouncer(
  database: Database,
  settings: Pick<WorkerSettings, 'webhook' | 'mail'>,
  log: Log,
  options: { readonly leaseMs?: number } = {},
): () => Promise<void> {
  const { leaseMs = limits.announceLeaseMs } = options;
  const channels: readonly Channel[] = [
    ...(settings.webhook === undefined ? [] : [webhookChannel(settings.webhook)]),
    ...(settings.mail === undefined ? [] : [mailChannel(settings.mail)]),
  ];
  let stopping = false;
  const sendDue = async (channel: Channel): Promise<void> => {
    while (!stopping) {
      const rows = await takeAnnouncements(database, channel.name, leaseMs);
      const ends = await Promise.allSettled(
        rows.map((row) => announce({ database, channel, log }, row)),
      );
      // What could not be recorded comes back when its lease ends.
      for (const end of ends) if (end.status === 'rejected') throw end.reason;
      if (rows.length < limits.announceBatchMax) return;
    }
  };
  const loops = [
    ...channels.map((channel) =>
      repeat(() => sendDue(channel), { everyMs: limits.announceEveryMs, failed, log }),
    ),
    repeat(() => removeOld(database), { everyMs: limits.announceRemoveEveryMs, failed, log }),
  ];
  return async () => {
    stopping = true;
    // What is being sent is recorded, or it would be sent twice.
    await Promise.all(loops.map((stop) => stop()));
    for (const channel of channels) channel.close();
  };
}

const failed = 'announcements could not be read or recorded';

async function removeOld(database: Database): Promise<void> {
  while ((await removeOldAnnouncements(database)) === limits.announceRemoveMax);
}

async function announce(
  { database, channel, log }: { database: Database; channel: Channel; log: Log },
  row: Announcement,
): Promise<void> {
  if (!row.isRelevant) return closeAnnouncement(database, row, { state: 'withdrawn' });
  const said = {
    run: row.run,
    kind: row.kind,
    channel: row.channel,
    attempt: row.attempts,
    ...(row.position === null ? {} : { position: row.position }),
  };
  // Its announcers died each time: it may be what kills them.
  const delivery: Delivery =
    row.attempts > limits.announceAttemptsMax
      ? { kind: 'refused', error: `tried ${limits.announceAttemptsMax} times without an end` }
      : await channel.deliver(row);
  if (delivery.kind === 'delivered') {
    const { note } = delivery;
    if (note !== undefined) log.warn('an announcement reached not everyone', { ...said, note });
    const error = note === undefined ? {} : { error: note };
    return closeAnnouncement(database, row, { state: 'sent', ...error });
  }
  const error = delivery.error.slice(0, limits.announceErrorCharsMax);
  const delayMs =
    delivery.kind === 'refused' ? undefined : delayBefore(row, delivery.retryAfterMs, Date.now());
  if (delayMs === undefined) {
    log.error('an announcement was given up', { ...said, error });
    return closeAnnouncement(database, row, { state: 'failed', error });
  }
  log.warn('an announcement could not be sent yet', { ...said, error, nextInMs: delayMs });
  return delayAnnouncement(database, row, delayMs, error);
}

/** Until the next attempt; absent after the last one. Half of it is chance, so that rows do not come in step. */
export function delayBefore(
  row: Pick<Announcement, 'attempts' | 'firstTriedAt'>,
  retryAfterMs: number | undefined,
  nowMs: number,
): number | undefined {
  const { announceRetryFirstDelayMs, announceRetryFactor, announceRetryMaxDelayMs } = limits;
  const wholeMs = Math.min(
    announceRetryFirstDelayMs * announceRetryFactor ** (row.attempts - 1),
    announceRetryMaxDelayMs,
  );
  const delayMs = Math.max(Math.round(wholeMs * (0.5 + Math.random() / 2)), retryAfterMs ?? 0);
  const isLast =
    row.attempts >= limits.announceAttemptsMax ||
    nowMs + delayMs > row.firstTriedAt.getTime() + limits.announceTriedMsMax;
  return isLast ? undefined : delayMs;
}
