import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { listMails, mailInput, NoMail, readMail } from '../../examples/support-inbox/mail.ts';
import { UsageError } from '../../examples/support-inbox/options.ts';
import { visible } from '../../examples/support-inbox/progress.ts';

const samples = fileURLToPath(new URL('../../examples/support-inbox/mails', import.meta.url));
let folder: string;
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'belayer-mail-'))));
afterAll(() => rmSync(folder, { recursive: true, force: true }));

async function read(text: string | Buffer) {
  writeFileSync(join(folder, 'mail.eml'), text);
  return readMail(folder, 'mail.eml');
}

describe('the samples', () => {
  test('are all read, each with a key of its own', async () => {
    const mails = await Promise.all(
      (await listMails(samples)).map((file) => readMail(samples, file)),
    );
    expect(mails.length).toBe(12);
    expect(new Set(mails.map((mail) => mail.key)).size).toBe(12);
    for (const mail of mails) expect(mailInput.parse(mail.input)).toEqual(mail.input);
  });

  test('come with umlauts, attachments and HTML as text', async () => {
    const german = await readMail(samples, '02-rueckerstattung.eml');
    expect(german.input.subject).toBe('Rückerstattung für Bestellung A-1002');
    expect(german.input.text).toContain('Viele Grüße aus Köln');
    const html = await readMail(samples, '03-damaged-rope.eml');
    expect(html.input.text).toContain('please refund the order');
    expect(html.input.text).not.toContain('<p>');
    const invoice = await readMail(samples, '04-missing-carabiner.eml');
    expect(invoice.input.attachments).toEqual(['invoice A-1004.pdf']);
    expect((await readMail(samples, '09-out-of-office.eml')).input.automatic).toBe(true);
  });
});

test('the same bytes are the same mail, whatever the file is called', async () => {
  const first = await read('From: a@b.example\nDate: garbage\n\nhello');
  await new Promise((resolve) => setTimeout(resolve, 5));
  const second = await read('From: a@b.example\nDate: garbage\n\nhello');
  expect(second).toEqual(first);
  expect((await read('From: a@b.example\n\nhello!')).key).not.toBe(first.key);
});

test.each([
  ['an empty file', ''],
  ['a file that is no mail', Buffer.from([0, 255, 1, 2, 3])],
  ['a mail without a sender', 'Subject: hello\n\nhello'],
  ['a sender that is no address', 'From: nobody\n\nhello'],
])('%s is named, not answered', async (_name, bytes) => {
  await expect(read(bytes)).rejects.toThrow(NoMail);
});

test('a long mail is cut to a size', async () => {
  const { input } = await read(`From: a@b.example\n\n${'x'.repeat(100_000)}`);
  expect(input.text.length).toBeLessThan(20_100);
  expect(input.text).toContain('[cut: 100000 characters]');
});

test('a folder that does not exist, or is a file, is said to be so', async () => {
  await expect(listMails(join(folder, 'none'))).rejects.toThrow(UsageError);
  writeFileSync(join(folder, 'file'), '');
  await expect(listMails(join(folder, 'file'))).rejects.toThrow(/is a file/);
});

test('what would move the cursor or reorder text is spelled out on the screen', () => {
  expect(visible('a\u001b[31mb\u202ec\u0085')).toBe('a\\u{1b}[31mb\\u{202e}c\\u{85}');
  expect(visible('Grüße, ¿qué?')).toBe('Grüße, ¿qué?');
});
