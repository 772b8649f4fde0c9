/** The main job, as a person starts it: another process on real servers, killed and started again. */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { simpleParser } from 'mailparser';
import pg from 'pg';
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest';
import { type OwnServers, startOwnServers } from '../../servers/index.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
const samples = join(root, 'examples/support-inbox/mails');
const main = join(root, 'examples/support-inbox/main.ts');

let servers: OwnServers;
let database: pg.Pool;
let folder: string;
const children = new Set<ChildProcess>();

beforeAll(async () => {
  servers = await startOwnServers({ temporalInMemory: true, postgresSettings: { fsync: 'off' } });
  database = new pg.Pool({ connectionString: servers.addresses.databaseUrl });
  database.on('error', () => undefined);
});
afterAll(async () => {
  await database?.end();
  await servers?.stop();
});
afterEach(() => {
  for (const child of children) killGroup(child);
  rmSync(folder, { recursive: true, force: true });
});

interface Program {
  readonly child: ChildProcess;
  /** All that it printed so far. */
  text(): string;
  /** Resolves when what it printed holds the text, or it ended. */
  until(pattern: RegExp): Promise<void>;
  /** Resolves when it no longer holds, or the program ended. */
  while(holds: () => Promise<boolean>): Promise<void>;
  exit: Promise<number | null>;
}

function start(args: readonly string[], terminal: 'none' | 'pseudo' = 'none'): Program {
  const { OPENAI_API_KEY: _k, OPENAI_BASE_URL: _b, SMTP_URL: _s, ...environment } = process.env;
  const command = ['--import', 'tsx', main, '--once', ...args];
  const [program, programArgs] =
    terminal === 'none'
      ? [process.execPath, command]
      : [
          '/usr/bin/env',
          ['script', '-qec', `${process.execPath} ${command.join(' ')}`, '/dev/null'],
        ];
  const child = spawn(program, programArgs, {
    cwd: root,
    // A process group of its own, so that the test can kill all of it.
    detached: true,
    stdio: [terminal === 'none' ? 'ignore' : 'pipe', 'pipe', 'pipe'],
    env: {
      ...environment,
      TEMPORAL_ADDRESS: servers.addresses.temporal.address,
      DATABASE_URL: servers.addresses.databaseUrl,
      BELAYER_DATA: join(folder, 'data'),
      BELAYER_TASK_QUEUE: `inbox-${folder.slice(-6)}`,
      NO_COLOR: '1',
    },
  });
  children.add(child);
  let text = '';
  child.stdout?.on('data', (data: Buffer) => (text += data.toString()));
  child.stderr?.on('data', (data: Buffer) => (text += data.toString()));
  const exit = once(child, 'close').then(([code]) => code as number | null);
  void exit.then(() => children.delete(child));
  const whileRunning = async (holds: () => Promise<boolean>): Promise<void> => {
    let ended = false;
    void exit.then(() => (ended = true));
    while (!ended && (await holds())) await new Promise((resolve) => setTimeout(resolve, 2));
  };
  return {
    child,
    text: () => text,
    exit,
    until: (pattern) => whileRunning(() => Promise.resolve(!pattern.test(text))),
    while: whileRunning,
  };
}

function killGroup(child: ChildProcess): void {
  try {
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL');
  } catch {
    // It ended by itself.
  }
}

const rows = async <Row extends pg.QueryResultRow>(text: string): Promise<readonly Row[]> =>
  (await database.query<Row>(text)).rows;

/** None while the program has not made the table. */
const payments = () =>
  rows('select order_id, cents from shop.payments order by order_id').catch(() => []);

const outboxFiles = (): readonly string[] => {
  const outbox = join(folder, 'data', 'outbox');
  if (!existsSync(outbox)) return [];
  return readdirSync(outbox).filter((name) => name.endsWith('.eml') && !name.startsWith('.'));
};

const sentMails = () => {
  const outbox = join(folder, 'data', 'outbox');
  return Promise.all(outboxFiles().map((name) => simpleParser(readFileSync(join(outbox, name)))));
};

test('killed again and again in the middle, every mail comes to one end, one reply and at most one refund', async () => {
  folder = mkdtempSync(join(tmpdir(), 'belayer-inbox-'));
  const moments: ((program: Program) => Promise<void>)[] = [
    (program) => program.until(/tool +find_order done/),
    // Paid, and most likely not yet recorded as paid: the same for a reply that is on disk.
    (program) => program.while(async () => (await payments()).length === 0),
    (program) => program.while(() => Promise.resolve(outboxFiles().length === 0)),
    (program) => program.until(/reply done/),
    (program) => program.until(/before +\w+:/),
  ];
  for (const moment of moments) {
    const killed = start(['--think', '150']);
    await moment(killed);
    killGroup(killed.child);
    await killed.exit;
  }
  const program = start(['--think', '50']);
  expect(await program.exit, program.text()).toBe(0);

  const runs = await rows<{ key: string; outcome: { kind: string } }>(
    `select key, outcome from belayer.run where agent = 'support'`,
  );
  expect(runs.length).toBe(9);
  expect(new Set(runs.map((run) => run.key)).size).toBe(9);
  expect(runs.every((run) => run.outcome?.kind === 'done')).toBe(true);
  // The kills did hit calls that were under way.
  expect((await rows(`select from belayer.attempt where outcome = 'lost'`)).length).toBeGreaterThan(
    0,
  );
  expect(await payments()).toEqual([
    { order_id: 'A-1002', cents: 3450 },
    { order_id: 'A-1004', cents: 1800 },
  ]);
  // The one over 50 USD, which nobody approved; the injury; the one that gave orders to the model.
  expect(await rows('select customer from shop.escalations order by customer')).toEqual([
    { customer: 'm.dubois@example.org' },
    { customer: 'mallory@example.com' },
    { customer: 'priya@example.net' },
  ]);
  const mails = await sentMails();
  const receivers = mails.map((mail) => [mail.to].flat()[0]?.text);
  expect(receivers.length).toBe(8);
  expect(new Set(receivers)).toEqual(
    new Set([
      'ana.silva@example.com',
      'begona@example.com',
      'joerg.mueller@example.org',
      'lena.f@example.net',
      'm.dubois@example.org',
      'mallory@example.com',
      'priya@example.net',
      'tom.okafor@example.com',
    ]),
  );
  expect(new Set(mails.map((mail) => mail.messageId)).size).toBe(8);

  const again = start([]);
  expect(await again.exit, again.text()).toBe(0);
  expect(again.text()).toContain('9, 9 of them handled before');
  expect((await sentMails()).length).toBe(8);
}, 240_000);

const hasScript = spawnSync('/usr/bin/env', ['script', '--version']).status === 0;

test.skipIf(!hasScript)(
  'at a terminal a human approves one refund over 50 USD and denies another',
  async () => {
    folder = mkdtempSync(join(tmpdir(), 'belayer-inbox-'));
    const inbox = join(folder, 'inbox');
    mkdirSync(inbox);
    copyFileSync(join(samples, '03-damaged-rope.eml'), join(inbox, '1.eml'));
    writeFileSync(
      join(inbox, '2.eml'),
      'From: begona@example.com\nSubject: A-1006\n\nPlease refund the shoes of A-1006, they are too small.\n',
    );
    const program = start(['--fresh', '--inbox', inbox, '--at-once', '1'], 'pseudo');
    await program.until(/Approve refund .*A-1003.* y\/N/);
    expect(program.text()).toContain('189');
    program.child.stdin?.write('y\r');
    await program.until(/Approve refund .*A-1006.* y\/N/);
    program.child.stdin?.write('\r');
    expect(await program.exit, program.text()).toBe(0);
    expect(program.text()).toMatch(/1 +end +refunded: Refunded 189\.00 USD/);
    expect(program.text()).toMatch(/2 +end +escalated: A refund was not made: denied/);
    expect(
      await rows(`select cents from shop.payments where order_id in ('A-1003', 'A-1006')`),
    ).toEqual([{ cents: 18_900 }]);
  },
);

test('a mail that cannot be read is named and passed over, and a folder without mails is refused', async () => {
  folder = mkdtempSync(join(tmpdir(), 'belayer-inbox-'));
  const inbox = join(folder, 'inbox');
  mkdirSync(inbox);
  const nothing = start(['--inbox', inbox]);
  expect(await nothing.exit).toBe(2);
  expect(nothing.text()).toContain('holds no .eml file');
  writeFileSync(join(inbox, 'empty.eml'), '');
  copyFileSync(join(samples, '09-out-of-office.eml'), join(inbox, 'good.eml'));
  const one = start(['--fresh', '--inbox', inbox]);
  expect(await one.exit, one.text()).toBe(0);
  expect(one.text()).toMatch(/empty +end +skipped: the file is empty/);
  expect(one.text()).toContain('1 skipped, 1 nothing');
});
