/**
 * Sends mail, and receives it where no mail server is named.
 *
 * A Message-ID is made of the tool call's key, so a reply that is sent again is the same mail. What
 * that is worth depends on who receives it:
 * 1. The outbox here stores each Message-ID once, and says yes only when the mail is on disk.
 * 2. Real servers promise nothing of the kind. Some drop a Message-ID that they have just seen, most
 *    deliver it again. See `repeat` of the tool `reply` in app.ts.
 */
import { createHash, randomUUID } from 'node:crypto';
import { link, mkdir, open, readFile, unlink } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { NotDone } from 'belayer';
import { simpleParser } from 'mailparser';
import nodemailer from 'nodemailer';
import { SMTPServer, type SMTPServerDataStream } from 'smtp-server';

export interface OutgoingMail {
  readonly key: string;
  readonly to: string;
  readonly subject: string;
  readonly text: string;
  readonly inReplyTo?: string;
}

export interface Mailer {
  /** @throws NotDone  The server was not reached, or refused the mail: certainly nothing was sent. */
  send(mail: OutgoingMail): Promise<{ readonly messageId: string }>;
  close(): void;
}

export function createMailer(url: string, from: string): Mailer {
  const transport = nodemailer.createTransport(url, { from });
  return {
    async send({ key, inReplyTo, ...mail }) {
      const messageId = messageIdOf(key, from);
      try {
        await transport.sendMail({
          ...mail,
          messageId,
          ...(inReplyTo === undefined ? {} : { inReplyTo, references: inReplyTo }),
          // An answer to an answering machine must not be answered again (RFC 3834).
          headers: { 'Auto-Submitted': 'auto-replied' },
        });
        return { messageId };
      } catch (error) {
        throw notSent(error) ?? error;
      }
    },
    close: () => transport.close(),
  };
}

/** The same for every attempt of a call. Nothing of the run's id is shown to strangers. */
export function messageIdOf(key: string, from: string): string {
  const domain = /@([a-z0-9.-]+)/i.exec(from)?.[1] ?? 'localhost';
  return `<${createHash('sha256').update(key).digest('hex').slice(0, 32)}@${domain}>`;
}

/** Errors after which it is certain that no mail went out: any before the mail's last byte, and a refusal. */
function notSent(error: unknown): NotDone | undefined {
  const { code, command, responseCode, message } = error as {
    readonly code?: string;
    readonly command?: string;
    readonly responseCode?: number;
    readonly message: string;
  };
  const beforeData = command !== undefined && command !== 'DATA';
  if (responseCode === undefined && !beforeData) return undefined;
  const passing = responseCode === undefined || responseCode < 500;
  return new NotDone(code === 'EENVELOPE' ? 'refused' : 'not_sent', {
    message,
    retryable: passing,
    cause: error,
  });
}

export interface Outbox {
  readonly url: string;
  readonly folder: string;
  close(): Promise<void>;
}

/** The text of a mail that the outbox keeps. */
export async function readSent(folder: string, messageId: string): Promise<string | undefined> {
  const bytes = await readFile(join(folder, `${messageId.slice(1, -1)}.eml`)).catch(
    () => undefined,
  );
  return bytes === undefined ? undefined : (await simpleParser(bytes)).text;
}

const mailBytesMax = 10 * 1024 * 1024;

/** A mail server on a free loopback port that keeps what it is given as files in a folder. */
export async function startOutbox(folder: string): Promise<Outbox> {
  await mkdir(folder, { recursive: true });
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['AUTH', 'STARTTLS'],
    size: mailBytesMax,
    onData(stream, _session, callback) {
      void answer(() => keep(folder, stream), callback);
    },
  });
  server.on('error', () => undefined);
  await new Promise<void>((resolve, reject) => {
    server.once('error', reject);
    server.listen(0, '127.0.0.1', resolve);
  });
  const { port } = server.server.address() as AddressInfo;
  return {
    url: `smtp://127.0.0.1:${port}`,
    folder,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
}

async function answer(
  keepMail: () => Promise<void>,
  reply: (problem?: Error) => void,
): Promise<void> {
  let problem: Error | undefined;
  try {
    await keepMail();
  } catch (error) {
    problem = error as Error;
  }
  reply(problem);
}

async function keep(folder: string, stream: SMTPServerDataStream): Promise<void> {
  const chunks: Buffer[] = [];
  for await (const chunk of stream) chunks.push(chunk as Buffer);
  const mail = Buffer.concat(chunks);
  if (stream.sizeExceeded)
    throw Object.assign(new Error('The mail is too large.'), { responseCode: 552 });
  const header = /^message-id:\s*<([^<>\s]+)>/im.exec(
    mail.subarray(0, 64 * 1024).toString('latin1'),
  )?.[1];
  const name = `${(header ?? createHash('sha256').update(mail).digest('hex')).replaceAll(/[^a-zA-Z0-9@._-]/g, '_')}.eml`;
  // A name of its own first, so that no half-written mail is ever found under the real one.
  const unfinished = join(folder, `.${name}.${randomUUID()}`);
  const file = await open(unfinished, 'wx');
  try {
    await file.writeFile(mail);
    await file.sync();
  } finally {
    await file.close();
  }
  try {
    await link(unfinished, join(folder, name));
  } catch (error) {
    // It came before: said yes to again, kept once.
    if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error;
  } finally {
    await unlink(unfinished);
  }
  const directory = await open(folder);
  try {
    await directory.sync();
  } finally {
    await directory.close();
  }
}
