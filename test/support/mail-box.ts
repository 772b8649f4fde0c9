import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { type ParsedMail, simpleParser } from 'mailparser';
import { SMTPServer, type SMTPServerDataStream } from 'smtp-server';

export interface MailInBox {
  readonly raw: string;
  readonly parsed: ParsedMail;
  readonly to: readonly string[];
}

export interface MailBox {
  readonly url: string;
  readonly mails: MailInBox[];
  /** So many mails are refused with 451 first. */
  refuse: number;
  stop(): Promise<void>;
}

/** A mail server over a real socket that keeps what it gets. */
export async function startMailBox(): Promise<MailBox> {
  const take = async (stream: SMTPServerDataStream, to: readonly string[]): Promise<void> => {
    const parts: Buffer[] = [];
    for await (const part of stream) parts.push(part as Buffer);
    box.refuse -= 1;
    if (box.refuse >= 0) throw Object.assign(new Error('busy'), { responseCode: 451 });
    const raw = Buffer.concat(parts).toString('utf8');
    box.mails.push({ raw, parsed: await simpleParser(raw), to });
  };
  const server = new SMTPServer({
    authOptional: true,
    disabledCommands: ['STARTTLS'],
    onData(stream, session, answer) {
      const to = session.envelope.rcptTo.map(({ address }) => address);
      take(stream, to).then(
        () => answer(),
        (error: Error) => answer(error),
      );
    },
  });
  server.on('error', () => undefined);
  server.listen(0, '127.0.0.1');
  await once(server.server, 'listening');
  const box: MailBox = {
    url: `smtp://127.0.0.1:${(server.server.address() as AddressInfo).port}`,
    mails: [],
    refuse: 0,
    stop: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
  return box;
}
