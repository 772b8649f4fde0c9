/**
 * A mail in plain text. Its Message-ID is the same for every attempt, so that a mail program can tell a
 * double; not every mail server drops one.
 *
 * Tool names, arguments and details are foreign text: escaped as in the terminal, and on one line in headers.
 */
import nodemailer from 'nodemailer';
import { duration, moment } from '../../client/commands/amounts.ts';
import { question } from '../../client/commands/request-text.ts';
import { indented, safeJson, safeLine, safeText } from '../../client/commands/safe-text.ts';
import { limits } from '../../contracts/limits.ts';
import { thresholdWords } from '../../rules/budget-words.ts';
import type { Announcement } from '../../storage/announcements.ts';
import {
  announcementId,
  type Channel,
  commandsFor,
  type Delivery,
  shownArguments,
} from './channel.ts';

export interface MailSettings {
  /** smtp:// or smtps://, with user and password where the server wants them. */
  readonly smtpUrl: string;
  readonly from: string;
  readonly to: readonly string[];
}

export function mailChannel({ smtpUrl, from, to }: MailSettings): Channel {
  const domain = /@([a-z0-9.-]+)/i.exec(from)?.[1] ?? 'localhost';
  const transport = nodemailer.createTransport({
    url: smtpUrl,
    connectionTimeout: limits.announceMailMsMax / 2,
    greetingTimeout: limits.announceMailMsMax / 2,
    socketTimeout: limits.announceMailMsMax / 2,
    disableFileAccess: true,
    disableUrlAccess: true,
  });
  const send = async (announcement: Announcement): Promise<Delivery> => {
    try {
      const { rejected } = await transport.sendMail({
        from,
        to: [...to],
        subject: subjectOf(announcement),
        text: mailText(announcement, new Date()),
        messageId: `<${announcementId(announcement)}@${domain}>`,
        // No answering machine answers it (RFC 3834).
        headers: { 'Auto-Submitted': 'auto-generated' },
      });
      return rejected.length === 0
        ? { kind: 'delivered' }
        : { kind: 'delivered', note: `refused for ${rejected.length} of ${to.length} addresses` };
    } catch (error) {
      return failed(error as Error);
    }
  };
  return {
    name: 'mail',
    async deliver(announcement) {
      let timer: NodeJS.Timeout | undefined;
      const late = new Promise<Delivery>((resolve) => {
        timer = setTimeout(
          () =>
            resolve({
              kind: 'later',
              error: `the mail server did not take it within ${limits.announceMailMsMax} ms`,
            }),
          limits.announceMailMsMax,
        );
      });
      try {
        return await Promise.race([send(announcement), late]);
      } finally {
        clearTimeout(timer);
      }
    },
    close: () => transport.close(),
  };
}

/** A server that refuses the mail or all its addresses for good; a login or a connection may be mended. */
function failed(
  error: Error & { readonly code?: string; readonly responseCode?: number },
): Delivery {
  const isRefused =
    (error.code === 'EENVELOPE' || error.code === 'EMESSAGE') && (error.responseCode ?? 0) >= 500;
  return { kind: isRefused ? 'refused' : 'later', error: `mail: ${error.message}` };
}

/** The event's own words: they were written by the database, with names of people's choice in them. */
const thresholdOf = (body: Announcement['body']): string =>
  thresholdWords(body as unknown as Parameters<typeof thresholdWords>[0]);

/** What an event says in a field, which is a text or missing. */
const said = (value: unknown): string => (typeof value === 'string' ? value : '');

function subjectOf({ kind, run, agent, body, request }: Announcement): string {
  const where = `(${safeLine(run, 100)})`;
  if (kind === 'budget.threshold') return `[belayer] ${safeLine(thresholdOf(body), 160)} ${where}`;
  if (request === null)
    return `[belayer] ${safeLine(agent, 64)} is stuck: ${safeLine(said(body['finding']), 40)} ${where}`;
  const again = kind === 'request.escalated' ? 'escalated: ' : '';
  return `[belayer] ${again}${safeLine(question({ ...request, agent }), 160)} ${where}`;
}

/** Whole, as the one who decides needs it: what is hidden here would be approved unseen. */
function mailText(announcement: Announcement, now: Date): string {
  const { kind, run, agent, customer, position, body, request } = announcement;
  return [
    `${safeLine(run, 300)}  ${safeLine(position ?? '', 60)}`.trimEnd(),
    ...(customer === '' ? [] : [`  customer: ${safeLine(customer, 128)}`]),
    ...(kind === 'budget.threshold'
      ? [`  ${safeLine(thresholdOf(body), 400)}`]
      : request === null
        ? [
            `  ${safeLine(agent, 64)} is stuck (${safeLine(said(body['finding']))}), no progress since ${safeLine(said(body['since']), 30)}`,
            indented(safeText(said(body['detail'])), '  '),
          ]
        : requestLines(request, agent, now)),
    '',
    ...Object.values(commandsFor(announcement)).map((command) => `  ${safeLine(command, 500)}`),
    '',
  ].join('\n');
}

function requestLines(
  request: NonNullable<Announcement['request']>,
  agent: string,
  now: Date,
): readonly string[] {
  const { detail, tool, deciders, deadline } = request;
  return [
    `  ${question({ ...request, agent })}`,
    ...(detail === null || detail === '' ? [] : [indented(safeText(detail), '  ')]),
    ...(tool === '' ? [] : ['  arguments:', indented(argumentsText(request.arguments))]),
    ...(deciders === null
      ? []
      : [`  may decide: ${deciders.map((name) => safeLine(name)).join(', ')}`]),
    `  until ${untilText(deadline, now)}`,
  ];
}

function argumentsText(json: string): string {
  const { text, isCut } = shownArguments(json);
  return isCut ? safeText(text) : safeJson(text);
}

function untilText(deadline: string, now: Date): string {
  const leftMs = new Date(deadline).getTime() - now.getTime();
  return `${moment(deadline)} UTC (${leftMs > 0 ? `${duration(leftMs)} left` : 'passed'})`;
}
