/** What is told to people who do not watch: over real sockets, to a receiver and a mail server. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest';
import type { Log } from '../../activities/dependencies.ts';
import { limits } from '../../contracts/limits.ts';
import { type OwnServers, startOwnServers } from '../../servers/index.ts';
import { type AnnouncementRow, listAnnouncements } from '../../storage/announcements.ts';
import { type Database, openDatabase } from '../../storage/database.ts';
import { migrate } from '../../storage/migrate.ts';
import { closeRequestRow } from '../../storage/requests.ts';
import { startAnnouncer } from '../../workers/announcer.ts';
import { readWorkerSettings, type WorkerSettings } from '../../workers/settings.ts';
import { eventually } from '../support/eventually.ts';
import { startMailBox } from '../support/mail-box.ts';
import { startReceiver } from '../support/receiver.ts';
import { anOpenRequest, aRunOnRecord } from '../support/run-on-record.ts';

const secret = `whsec_${Buffer.alloc(32, 7).toString('base64')}`;
const otherSecret = `whsec_${Buffer.alloc(32, 8).toString('base64')}`;

let servers: OwnServers;
let database: Database;
let receiver: Awaited<ReturnType<typeof startReceiver>>;
const stops: (() => Promise<unknown>)[] = [];
const logged: { level: string; message: string; fields: unknown }[] = [];
const line =
  (level: string): Log['warn'] =>
  (message, fields) =>
    void logged.push({ level, message, fields });
const log: Log = { debug: line('debug'), info: line('info'), warn: line('warn'), error: line('error') }; // prettier-ignore

beforeAll(async () => {
  servers = await startOwnServers({ temporal: false, postgresSettings: { fsync: 'off' } });
  database = openDatabase({ url: servers.addresses.databaseUrl });
  await migrate(database);
});
afterAll(async () => {
  await database?.close();
  await servers?.stop();
});
beforeEach(async () => {
  await database.query({ text: 'delete from belayer.announcement' });
  logged.length = 0;
  receiver = await startReceiver();
});
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop();
  await receiver.stop().catch(() => undefined);
});

function announce(settings: Pick<WorkerSettings, 'webhook' | 'mail'> = {}, leaseMs?: number): void {
  stops.push(
    startAnnouncer(
      database,
      'mail' in settings ? settings : { webhook: { url: receiver.url, secret }, ...settings },
      log,
      leaseMs === undefined ? {} : { leaseMs },
    ),
  );
}

async function rowOf(run: string, channel = 'webhook'): Promise<AnnouncementRow> {
  const rows = await listAnnouncements(database, { limit: 1_000 });
  const row = rows.find((each) => each.run === run && each.channel === channel);
  if (row === undefined) throw new Error(`${run} is not announced by ${channel}.`);
  return row;
}
const sent = (run: string, channel?: string): Promise<true> =>
  eventually(async () => (await rowOf(run, channel)).state === 'sent' || undefined, 40_000);

const headersOf = (index: number): Record<string, string> =>
  receiver.received[index]?.headers as Record<string, string>;

test('an opened request is told with a signature that its secret verifies and no other does', async () => {
  const run = await aRunOnRecord(database);
  await anOpenRequest(database, run);
  announce();
  await sent(run);
  const body = receiver.received[0]?.body ?? '';
  const verified = new Webhook(secret).verify(body, headersOf(0)) as Record<string, unknown>;
  expect(verified).toMatchObject({
    type: 'request.opened',
    id: headersOf(0)['webhook-id'],
    data: {
      run,
      agent: 'support',
      customer: 'acme',
      position: '1.1/approval',
      request: 'approval',
      tool: 'refund',
      argumentsHash: 'a1',
      arguments: '{"amountUsd":80}',
      argumentsCut: false,
      commands: { approve: `belayer approve ${run} 1.1/approval` },
    },
  });
  expect(() => new Webhook(otherSecret).verify(body, headersOf(0))).toThrow(
    'No matching signature found',
  );
  expect(() => new Webhook(secret).verify(body.replace('80', '81'), headersOf(0))).toThrow(
    'No matching signature found',
  );
});

test('a receiver that fails is told again under the same id until it takes it', async () => {
  const run = await aRunOnRecord(database);
  await anOpenRequest(database, run);
  receiver.answer = (response) =>
    void response.writeHead(receiver.received.length < 4 ? 500 : 200).end();
  announce();
  await sent(run);
  expect(receiver.received).toHaveLength(4);
  expect(new Set(receiver.received.map(({ headers }) => headers['webhook-id'])).size).toBe(1);
  expect(await rowOf(run)).toMatchObject({ attempts: 4 });
});

test('a receiver that was away while an announcer ended is told by the next one', async () => {
  const run = await aRunOnRecord(database);
  await anOpenRequest(database, run);
  const { port } = receiver;
  await receiver.stop();
  announce();
  await eventually(async () => (await rowOf(run)).error ?? undefined);
  await stops.pop()?.();
  expect(await rowOf(run)).toMatchObject({ state: 'due', error: expect.stringContaining('ECONNREFUSED') as string }); // prettier-ignore
  receiver = await startReceiver(port);
  announce();
  await sent(run);
  expect(receiver.received).toHaveLength(1);
});

test('several announcers tell each announcement once', async () => {
  const runs = await Promise.all(Array.from({ length: 40 }, () => aRunOnRecord(database)));
  for (const run of runs) await anOpenRequest(database, run);
  receiver.answer = (response) => void setTimeout(() => response.writeHead(200).end(), 50);
  for (let count = 0; count < 3; count += 1) announce();
  for (const run of runs) await sent(run);
  const ids = receiver.received.map(({ headers }) => headers['webhook-id']);
  expect(ids).toHaveLength(40);
  expect(new Set(ids).size).toBe(40);
});

test('what a killed announcer was sending is sent again under the same id', async () => {
  const run = await aRunOnRecord(database);
  await anOpenRequest(database, run);
  const leaseMs = 3_000;
  // It hears, and does not answer.
  receiver.answer = () => undefined;
  const child = spawn(process.execPath, ['--import', 'tsx', join(import.meta.dirname, '../support/announcer-main.ts')], {
    env: { PATH: process.env['PATH'], DATABASE_URL: servers.addresses.databaseUrl, URL: receiver.url, SECRET: secret, LEASE_MS: String(leaseMs) },
    stdio: ['ignore', 'ignore', 'inherit'],
  }); // prettier-ignore
  stops.push(() => Promise.resolve(child.kill('SIGKILL')));
  await eventually(() => receiver.received.length === 1, 60_000);
  child.kill('SIGKILL');
  await once(child, 'exit');
  receiver.answer = (response) => void response.writeHead(200).end();
  announce({}, leaseMs);
  await sent(run);
  expect(receiver.received).toHaveLength(2);
  expect(headersOf(1)['webhook-id']).toBe(headersOf(0)['webhook-id']);
});

test('a receiver that answers 410 is given up loudly, and one that asks to wait is waited for', async () => {
  const [gone, busy, moved] = [await aRunOnRecord(database), await aRunOnRecord(database), await aRunOnRecord(database)]; // prettier-ignore
  for (const run of [gone, busy, moved]) await anOpenRequest(database, run);
  receiver.answer = (response, { body }) => {
    if (body.includes(gone)) response.writeHead(410).end();
    else if (body.includes(busy)) response.writeHead(429, { 'retry-after': '600' }).end();
    else response.writeHead(307, { location: receiver.url }).end();
  };
  announce();
  await eventually(async () => (await rowOf(gone)).state === 'failed');
  const given = await eventually(async () => {
    const rows = [await rowOf(busy), await rowOf(moved)];
    return rows.every(({ error }) => error !== null) ? rows : undefined;
  });
  const [waits, redirected] = given as [AnnouncementRow, AnnouncementRow];
  expect(waits.nextAt.getTime() - waits.createdAt.getTime()).toBeGreaterThan(590_000);
  expect(redirected.error).toContain('307, and redirects are not followed');
  expect(receiver.received.filter(({ body }) => body.includes(moved))).toHaveLength(1);
  expect(logged).toContainEqual({
    level: 'error',
    message: 'an announcement was given up',
    fields: expect.objectContaining({ run: gone, error: 'the receiver answered 410' }) as unknown,
  });
  expect(await listAnnouncements(database, { failed: true, limit: 10 })).toMatchObject([{ run: gone, error: 'the receiver answered 410' }]); // prettier-ignore
  expect(JSON.stringify(logged)).not.toContain(secret);
});

test('an announcement that fails at its last attempt is given up', async () => {
  const run = await aRunOnRecord(database);
  await anOpenRequest(database, run);
  await database.query({ text: 'update belayer.announcement set attempts = $1' }, [limits.announceAttemptsMax - 1]); // prettier-ignore
  receiver.answer = (response) => void response.writeHead(503).end();
  announce();
  await eventually(async () => (await rowOf(run)).state === 'failed');
  expect(receiver.received).toHaveLength(1);
});

test('a request that was closed before it was told is not told', async () => {
  const closed = await aRunOnRecord(database);
  const ended = await aRunOnRecord(database);
  const open = await aRunOnRecord(database);
  for (const run of [closed, ended, open]) await anOpenRequest(database, run);
  await closeRequestRow(database, closed, { position: '1.1/approval', verdict: 'denied', by: 'ann', via: 'update' }); // prettier-ignore
  await database.query({ text: `select belayer.close_run($1, '{"kind":"done"}', null, 1)` }, [
    ended,
  ]);
  expect(await rowOf(closed)).toMatchObject({ state: 'withdrawn' });
  expect(await rowOf(ended)).toMatchObject({ state: 'withdrawn' });
  announce();
  await sent(open);
  expect(receiver.received).toHaveLength(1);
});

test('a worker without a channel leaves announcements to those that have it', async () => {
  const run = await aRunOnRecord(database);
  await anOpenRequest(database, run);
  stops.push(startAnnouncer(database, {}, log));
  announce();
  await sent(run);
  expect(await rowOf(run, 'mail')).toMatchObject({ state: 'due', attempts: 0 });
});

test('a mail shows the call whole, and nothing that a tool or a model wrote becomes a header', async () => {
  const box = await startMailBox();
  stops.push(() => box.stop());
  box.refuse = 1;
  const run = await aRunOnRecord(database);
  const hostile = 'refund\r\nBcc: eve@example.com\r\n\r\nPay now';
  const json = JSON.stringify({ note: 'a\r\nBcc: eve@example.com\r\n.\r\nQUIT\r\n', hidden: '\u202Etxt.exe', amountUsd: 80 }); // prettier-ignore
  await anOpenRequest(database, run, { tool: hostile, arguments: json });
  const mail = { smtpUrl: box.url, from: 'Belayer <belayer@example.com>', to: ['ann@example.com', 'bob@example.com'] }; // prettier-ignore
  announce({ mail });
  await sent(run, 'mail');
  expect(box.mails).toHaveLength(1);
  const { parsed, raw, to } = box.mails[0]!;
  expect(to).toEqual(['ann@example.com', 'bob@example.com']);
  expect(parsed.headers.has('bcc')).toBe(false);
  expect(raw.split('\r\n\r\n')[0]).not.toMatch(/^Bcc:/im);
  expect(parsed.subject).toContain(run);
  expect(parsed.messageId).toMatch(/^<ann_[\w-]{32}@example\.com>$/);
  expect(parsed.text).toContain('"amountUsd": 80');
  expect(parsed.text).toContain(`a\\r\\nBcc: eve@example.com`);
  expect(parsed.text).toContain('\\u{202e}txt.exe');
  expect(parsed.text).toContain(`belayer approve ${run} 1.1/approval`);
  expect(await rowOf(run, 'mail')).toMatchObject({ attempts: 2 });
});

test('arguments over the limit are cut, and the cut says so', async () => {
  const box = await startMailBox();
  stops.push(() => box.stop());
  const run = await aRunOnRecord(database);
  const json = JSON.stringify({ text: 'é'.repeat(limits.announceArgumentsBytesMax) });
  await anOpenRequest(database, run, { arguments: json });
  announce({ webhook: { url: receiver.url, secret }, mail: { smtpUrl: box.url, from: 'b@example.com', to: ['a@example.com'] } }); // prettier-ignore
  await sent(run);
  await sent(run, 'mail');
  const { data } = JSON.parse(receiver.received[0]?.body ?? '') as {
    data: Record<string, unknown>;
  };
  expect(data).toMatchObject({ argumentsCut: true, arguments: expect.stringMatching(/é \[CUT: 65536 of 131083 bytes are shown/) as string }); // prettier-ignore
  expect(box.mails[0]?.parsed.text).toContain('[CUT: 65536 of 131083 bytes are shown');
});

test('every wrong setting of a channel is named at once, and no secret is repeated', () => {
  const environment = { BELAYER_WEBHOOK_URL: 'ftp://example.com', BELAYER_WEBHOOK_SECRET: 'hunter2', BELAYER_SMTP_URL: 'smtp://u:p4ss@mail.example.com', BELAYER_MAIL_TO: 'ann@example.com\nBcc: eve' }; // prettier-ignore
  let said = '';
  try {
    readWorkerSettings(environment);
  } catch (error) {
    said = (error as Error).message;
  }
  expect(said).toMatch(/^4 settings in the environment cannot be used/);
  expect(said).toContain('BELAYER_MAIL_FROM is not set: it must be set together with BELAYER_SMTP_URL and BELAYER_MAIL_TO'); // prettier-ignore
  expect(said).not.toMatch(/hunter2|p4ss/);
  expect(readWorkerSettings({ BELAYER_WEBHOOK_URL: 'https://example.com/hook', BELAYER_WEBHOOK_SECRET: secret, BELAYER_SMTP_URL: 'smtps://mail.example.com', BELAYER_MAIL_FROM: 'Belayer <b@example.com>', BELAYER_MAIL_TO: 'a@example.com, c@example.com' })).toMatchObject({ webhook: { secret }, mail: { to: ['a@example.com', 'c@example.com'] } }); // prettier-ignore
});
