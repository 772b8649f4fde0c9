import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { createMailer, type Outbox, startOutbox } from '../../examples/support-inbox/outbox.ts';

let outbox: Outbox;
let folder: string;
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'belayer-outbox-'));
  outbox = await startOutbox(folder);
});
afterEach(async () => {
  await outbox.close();
  rmSync(folder, { recursive: true, force: true });
});

const from = 'support@crag.example';
const mail = { key: 'run-1/3.1', to: 'ana@example.com', subject: 'Grüße', text: 'Hello.\n.\nBye.' };

test('a mail is on disk, under its Message-ID, when its sender is told so', async () => {
  const mailer = createMailer(outbox.url, from);
  const { messageId } = await mailer.send({ ...mail, inReplyTo: '<question@example.com>' });
  expect(readdirSync(folder)).toEqual([`${messageId.slice(1, -1)}.eml`]);
  const text = readFileSync(join(folder, readdirSync(folder)[0]!), 'utf8');
  expect(text).toContain('To: ana@example.com');
  expect(text).toContain('In-Reply-To: <question@example.com>');
});

test('the same call sent again, even at the same time and by another process, is one mail', async () => {
  const one = createMailer(outbox.url, from);
  const other = createMailer(outbox.url, from);
  const sent = await Promise.all([one.send(mail), one.send(mail), other.send(mail)]);
  expect(new Set(sent.map((each) => each.messageId)).size).toBe(1);
  expect(readdirSync(folder).length).toBe(1);
  await one.send({ ...mail, key: 'run-1/4.1' });
  expect(readdirSync(folder).length).toBe(2);
});

test('a server that is not there, or refuses, certainly sent nothing', async () => {
  const nobody = createMailer('smtp://127.0.0.1:1', from);
  await expect(nobody.send(mail)).rejects.toMatchObject({ name: 'NotDone', retryable: true });
  const refusing = createMailer(outbox.url, from);
  const large = { ...mail, text: 'x'.repeat(11 * 1024 * 1024) };
  await expect(refusing.send(large)).rejects.toMatchObject({ name: 'NotDone', retryable: false });
  expect(readdirSync(folder)).toEqual([]);
});
