/**
 * Mails as files, and as what the agent is told of them.
 *
 * 1. The same bytes are the same mail: `key` is their hash, and it is the key of the mail's run.
 * 2. Everything in a mail was written by a stranger. It is cut to a size here, and judged nowhere.
 */
import { createHash } from 'node:crypto';
import { readdir, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { type ParsedMail, simpleParser } from 'mailparser';
import { z } from 'zod';
import { UsageError } from './options.ts';

/** What a run starts with. */
export const mailInput = z.object({
  /** Where the reply goes. Lower case. */
  from: z.string(),
  subject: z.string(),
  text: z.string(),
  /** Names only: what is inside is not read. */
  attachments: z.array(z.string()),
  /** ISO 8601, as the sender's clock had it. */
  date: z.string().optional(),
  /** So that a reply is shown below the mail that it answers. */
  messageId: z.string().optional(),
  /** Written by a machine (RFC 3834): an out-of-office note, a bounce, a mailing list. */
  automatic: z.boolean(),
});
export type MailInput = z.infer<typeof mailInput>;

export interface Mail {
  readonly file: string;
  readonly key: string;
  readonly input: MailInput;
}

/** A file that is no mail. It is named on the screen and passed over. */
export class NoMail extends Error {}

const fileBytesMax = 25 * 1024 * 1024;
const textCharsMax = 20_000;
const lineCharsMax = 300;
const attachmentsMax = 20;

/** @throws UsageError  There is no such folder. */
export async function listMails(folder: string): Promise<readonly string[]> {
  try {
    const names = await readdir(folder);
    return names.filter((name) => /^[^.].*\.eml$/i.test(name)).toSorted();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') throw new UsageError(`The folder ${folder} does not exist.`);
    if (code === 'ENOTDIR')
      throw new UsageError(`${folder} is a file; --inbox takes a folder of .eml files.`);
    throw new UsageError(`The folder ${folder} cannot be read: ${(error as Error).message}`);
  }
}

/** @throws NoMail  Says why the file cannot be answered. */
export async function readMail(folder: string, file: string): Promise<Mail> {
  const bytes = await readBytes(join(folder, file));
  if (bytes.length === 0) throw new NoMail('the file is empty');
  const parsed = await simpleParser(bytes).catch((error: unknown) => {
    throw new NoMail(`it cannot be parsed: ${(error as Error).message}`);
  });
  const from = parsed.from?.value[0]?.address?.trim().toLowerCase();
  if (from === undefined || !/^[^\s@<>"]+@[^\s@<>"]+$/.test(from) || from.length > addressCharsMax)
    throw new NoMail('it has no sender that could be answered');
  const text = parsed.text?.trim() ?? '';
  const date = dateOf(parsed);
  return {
    file,
    key: `mail-${createHash('sha256').update(bytes).digest('hex').slice(0, 32)}`,
    input: {
      from,
      subject: cut(parsed.subject ?? '', lineCharsMax),
      text: cut(text, textCharsMax),
      attachments: parsed.attachments
        .slice(0, attachmentsMax)
        .map((attachment) => cut(attachment.filename ?? 'unnamed', lineCharsMax)),
      ...(date === undefined ? {} : { date }),
      ...(parsed.messageId === undefined ? {} : { messageId: cut(parsed.messageId, lineCharsMax) }),
      automatic: isAutomatic(parsed.headers),
    },
  };
}

/** The customer of a run has at most this many characters. */
const addressCharsMax = 128;

async function readBytes(path: string): Promise<Buffer> {
  try {
    const { size } = await stat(path);
    if (size > fileBytesMax)
      throw new NoMail(`it has ${size} bytes; at most ${fileBytesMax} are read`);
    return await readFile(path);
  } catch (error) {
    if (error instanceof NoMail) throw error;
    throw new NoMail(`it cannot be read: ${(error as Error).message}`);
  }
}

/** The parser takes now for a date that it cannot read; the same mail would then never be the same. */
function dateOf({ headerLines }: ParsedMail): string | undefined {
  const line = headerLines.find((header) => header.key === 'date')?.line;
  const date = new Date(line?.replace(/^[^:]*:/, '').trim() ?? '');
  return Number.isNaN(date.getTime()) ? undefined : date.toISOString();
}

function isAutomatic(headers: ReadonlyMap<string, unknown>): boolean {
  const submitted = headers.get('auto-submitted');
  const precedence = headers.get('precedence');
  return (
    (typeof submitted === 'string' && !/^no\b/i.test(submitted.trim())) ||
    (typeof precedence === 'string' && /bulk|junk|list|auto_reply/i.test(precedence)) ||
    headers.has('list-id')
  );
}

function cut(text: string, charsMax: number): string {
  return text.length <= charsMax
    ? text
    : `${text.slice(0, charsMax)} [cut: ${text.length} characters]`;
}
