/**
 * A signed POST, by the Standard Webhooks specification (https://www.standardwebhooks.com): the receiver
 * checks `webhook-signature` with the shared secret, and drops a `webhook-id` that it has seen.
 */
import { Webhook } from 'standardwebhooks';
import { limits } from '../../contracts/limits.ts';
import type { Announcement } from '../../storage/announcements.ts';
import {
  announcementId,
  type Channel,
  commandsFor,
  type Delivery,
  shownArguments,
} from './channel.ts';

export interface WebhookSettings {
  readonly url: string;
  /** `whsec_` and base64. */
  readonly secret: string;
}

export function webhookChannel({ url, secret }: WebhookSettings): Channel {
  const signer = new Webhook(secret);
  return {
    name: 'webhook',
    async deliver(announcement) {
      const id = announcementId(announcement);
      const body = JSON.stringify(webhookBody(announcement));
      const now = new Date();
      try {
        const response = await fetch(url, {
          method: 'POST',
          headers: {
            'content-type': 'application/json',
            'user-agent': 'belayer',
            'webhook-id': id,
            'webhook-timestamp': String(Math.floor(now.getTime() / 1000)),
            'webhook-signature': signer.sign(id, now, body),
          },
          body,
          // What is signed for one receiver is not for another.
          redirect: 'manual',
          signal: AbortSignal.timeout(limits.announceWebhookMsMax),
        });
        // What it says beyond its status is not read, however long it is.
        await response.body?.cancel().catch(() => undefined);
        return deliveryOf(response, now);
      } catch (error) {
        return { kind: 'later', error: reasonOf(error) };
      }
    },
    close: () => undefined,
  };
}

/** What a receiver gets. `id` is the `webhook-id` as well; times are ISO 8601. */
export function webhookBody(announcement: Announcement): Readonly<Record<string, unknown>> {
  const { kind, run, agent, customer, position, at, body, request } = announcement;
  const whose = { run, agent, customer: customer === '' ? null : customer };
  const shown = request === null || request.tool === '' ? null : shownArguments(request.arguments);
  return {
    type: kind,
    id: announcementId(announcement),
    timestamp: at.toISOString(),
    data:
      request === null
        ? {
            ...whose,
            ...(kind === 'budget.threshold' ? thresholdData(body) : body),
            commands: commandsFor(announcement),
          }
        : {
            ...whose,
            position,
            request: request.kind,
            ...(request.about === null ? {} : { about: request.about }),
            tool: request.tool,
            argumentsHash: request.argumentsHash,
            // A text, since it is hashed as a text: canonical JSON. Null where it is about no call.
            arguments: shown?.text ?? null,
            argumentsCut: shown?.isCut ?? false,
            detail: request.detail,
            deadline: request.deadline,
            ...(request.deciders === null ? {} : { deciders: request.deciders }),
            commands: commandsFor(announcement),
          },
  };
}

/** The budget apart from the run whose call crossed the threshold: they need not have the same agent. */
function thresholdData({
  rule,
  agent = null,
  customer = null,
  per,
  ...amounts
}: Announcement['body']): Readonly<Record<string, unknown>> {
  return { budget: { rule, agent, customer, per }, ...amounts };
}

/** By the specification: 2xx took it, 410 wants no more of it, and anything else may pass. */
function deliveryOf(response: Response, now: Date): Delivery {
  if (response.ok) return { kind: 'delivered' };
  const error = `the receiver answered ${response.status}${response.status >= 300 && response.status < 400 ? ', and redirects are not followed' : ''}`;
  if (response.status === 410) return { kind: 'refused', error };
  const retryAfterMs = readRetryAfter(response.headers.get('retry-after'), now);
  return { kind: 'later', error, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}

/** Seconds or an HTTP date. */
function readRetryAfter(header: string | null, now: Date): number | undefined {
  if (header === null) return undefined;
  const ms = /^\d+$/.test(header) ? Number(header) * 1000 : Date.parse(header) - now.getTime();
  return ms > 0 ? Math.min(ms, limits.announceRetryAfterMsMax) : undefined;
}

/** Without the URL, which may hold a token. */
function reasonOf(error: unknown): string {
  const { name, cause } = error as Error & { readonly cause?: { code?: unknown } };
  if (name === 'TimeoutError')
    return `the receiver did not answer within ${limits.announceWebhookMsMax} ms`;
  return `the receiver was not reached (${typeof cause?.code === 'string' ? cause.code : name})`;
}
