/** The variables of the environment that say where announcements go. */
import { z } from 'zod';
import type { MailSettings } from './mail.ts';
import type { WebhookSettings } from './webhook.ts';

/** Of the Standard Webhooks specification. */
const secretBytes = { min: 24, max: 64 };
const addressesMax = 50;
const address = /^[^\s<>@,;:"\\()]+@[a-z0-9.-]+$/i;
const named = /^[^\p{Cc}<>@,;:"\\()]*<([^<>]+)>$/u;

const isSecret = (value: string): boolean => {
  const [, base64] = /^whsec_((?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?)$/.exec(value) ?? []; // prettier-ignore
  if (base64 === undefined) return false;
  const { length } = Buffer.from(base64, 'base64');
  return length >= secretBytes.min && length <= secretBytes.max;
};

function isWebhookUrl(value: string): boolean {
  if (!URL.canParse(value)) return false;
  const { protocol, username, password } = new URL(value);
  return /^https?:$/.test(protocol) && username === '' && password === '';
}

const isSmtpUrl = (value: string): boolean =>
  URL.canParse(value) &&
  /^smtps?:$/.test(new URL(value).protocol) &&
  new URL(value).hostname !== '';

const isAddress = (value: string): boolean =>
  address.test(value) || address.test(named.exec(value)?.[1]?.trim() ?? '');

const split = (list: string): readonly string[] => list.split(',').map((each) => each.trim());
const text = z.string().trim();

export const announceShape = {
  BELAYER_WEBHOOK_URL: text
    .refine(
      isWebhookUrl,
      'must be a URL that begins with http:// or https://, without user and password',
    )
    .optional(),
  BELAYER_WEBHOOK_SECRET: text
    .refine(
      isSecret,
      `must be whsec_ and the base64 of ${secretBytes.min} to ${secretBytes.max} random bytes. To make one: echo "whsec_$(openssl rand -base64 32)"`,
    )
    .optional(),
  BELAYER_SMTP_URL: text
    .refine(isSmtpUrl, 'must be a URL that begins with smtp:// or smtps://')
    .optional(),
  BELAYER_MAIL_FROM: text
    .refine(
      isAddress,
      "must be one address: belayer@example.com, or 'Belayer <belayer@example.com>'",
    )
    .optional(),
  BELAYER_MAIL_TO: text
    .refine(
      (list) => split(list).every((each) => address.test(each)),
      'must be addresses with commas between them: ann@example.com,bob@example.com',
    )
    .refine((list) => split(list).length <= addressesMax, `has more than ${addressesMax} addresses`)
    .optional(),
};

type Name = keyof typeof announceShape;
type Values = Readonly<Partial<Record<Name, string | undefined>>>;

const groups: readonly (readonly Name[])[] = [
  ['BELAYER_WEBHOOK_URL', 'BELAYER_WEBHOOK_SECRET'],
  ['BELAYER_SMTP_URL', 'BELAYER_MAIL_FROM', 'BELAYER_MAIL_TO'],
];

/** Adds that a group of variables is set as a whole or not at all; said beside all other mistakes. */
export function wholeGroups<Shape extends z.ZodRawShape>(
  schema: z.ZodObject<Shape>,
): z.ZodObject<Shape> {
  return groups
    .flatMap((group) => group.map((name) => ({ name, group })))
    .reduce(
      (whole, { name, group }) =>
        whole.refine(
          (values) => {
            const given = values as Values;
            return given[name] !== undefined || group.every((each) => given[each] === undefined);
          },
          {
            path: [name],
            message: `must be set together with ${group.filter((each) => each !== name).join(' and ')}`,
            // Also where another variable is wrong.
            when: () => true,
          },
        ),
      schema,
    );
}

export function webhookSettings(values: Values): WebhookSettings | undefined {
  const { BELAYER_WEBHOOK_URL: url, BELAYER_WEBHOOK_SECRET: secret } = values;
  return url === undefined || secret === undefined ? undefined : { url, secret };
}

export function mailSettings(values: Values): MailSettings | undefined {
  const { BELAYER_SMTP_URL: smtpUrl, BELAYER_MAIL_FROM: from, BELAYER_MAIL_TO: to } = values;
  return smtpUrl === undefined || from === undefined || to === undefined
    ? undefined
    : { smtpUrl, from, to: split(to) };
}
