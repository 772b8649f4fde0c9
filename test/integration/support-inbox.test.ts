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
afterEach(async () => {
  for (const child of children) killGroup(child);
  rmSync(folder, { recursive: true, force: true });
  // Each test has a shop and a payment service of its own.
  await database.query(
    'drop schema if exists shop cascade; drop schema if exists payments cascade',
  );
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

/** What the payment service moved. None while the program has not made the table. */
const payments = () =>
  rows<{ reference: string; cents: number }>(
    'select reference, cents from payments.books order by reference, id',
  ).catch(() => []);
const movedFor = async (order: string) =>
  (await payments()).filter(({ reference }) => reference === order);

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
    // Moved, and the answer is lost with its connection: nobody has been asked yet, or just now.
    (program) => program.while(async () => (await movedFor('A-1009')).length === 0),
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

  const runs = await rows<{ id: string; key: string; customer: string; outcome: Outcome }>(
    `select id, key, customer, outcome from belayer.run where agent = 'support'`,
  );
  expect(runs.length).toBe(12);
  expect(new Set(runs.map((run) => run.key)).size).toBe(12);
  // The one that its customer called off, and all others.
  const halted = runs.filter((run) => run.outcome?.kind === 'stopped');
  expect(halted).toMatchObject([
    { customer: 'sofia.rossi@example.com', outcome: { because: 'halted' } },
  ]);
  expect(runs.filter((run) => run.outcome?.kind === 'done').length).toBe(11);
  // The kills did hit calls that were under way.
  expect((await rows(`select from belayer.attempt where outcome = 'lost'`)).length).toBeGreaterThan(
    0,
  );
  const moved = await payments();
  expect(moved.filter(({ reference }) => reference !== 'A-1010')).toEqual([
    { reference: 'A-1002', cents: 3450 },
    { reference: 'A-1004', cents: 1800 },
    { reference: 'A-1009', cents: 4500 },
  ]);
  // Of the run that was halted: on its way at that time, or not yet, but never twice.
  expect((await movedFor('A-1010')).length).toBeLessThanOrEqual(1);
  expect(program.text()).toMatch(
    /money +\d paid back.*each once in the books, as its run believes/,
  );
  // The one over 50 USD, which nobody approved; the injury; the one that gave orders to the model.
  expect(await rows('select customer from shop.escalations order by customer')).toEqual([
    { customer: 'm.dubois@example.org' },
    { customer: 'mallory@example.com' },
    { customer: 'priya@example.net' },
  ]);
  const mails = await sentMails();
  const receivers = mails.map((mail) => [mail.to].flat()[0]?.text);
  expect(receivers.length).toBe(10);
  expect(new Set(receivers)).toEqual(
    new Set([
      'ana.silva@example.com',
      'begona@example.com',
      'joerg.mueller@example.org',
      'kenji.sato@example.net',
      'lena.f@example.net',
      'm.dubois@example.org',
      'mallory@example.com',
      'priya@example.net',
      'sofia.rossi@example.com',
      'tom.okafor@example.com',
    ]),
  );
  expect(new Set(mails.map((mail) => mail.messageId)).size).toBe(10);

  const again = start([]);
  expect(await again.exit, again.text()).toBe(0);
  expect(again.text()).toContain('12, 12 of them handled before');
  expect(again.text()).toMatch(/11-glasses-and-tent +before halted/);
  expect((await sentMails()).length).toBe(10);
  expect(await payments()).toEqual(moved);
  expect((await rows(`select from belayer.run where agent = 'support'`)).length).toBe(12);
}, 240_000);

test('where nobody is at the terminal, a lost answer is looked up, a large refund denied, and a halt obeyed', async () => {
  folder = mkdtempSync(join(tmpdir(), 'belayer-inbox-'));
  const program = start(['--fresh']);
  expect(await program.exit, program.text()).toBe(0);
  const text = program.text();
  // The money moved and the connection died: asked about, with the evidence, and settled by the books.
  expect(text).toMatch(/10-ice-axe +2\.1 +tool +wire_refund failed \(failed\), next: ask/);
  expect(text).toMatch(/10-ice-axe +attempt 1 .*unknown: .*ended before its answer/);
  expect(text).toMatch(/10-ice-axe +books .*P-\d+, transfer, 45\.00 USD for A-1009/);
  expect(text).toMatch(/10-ice-axe +2\.1 +human +answered by the example, by the books/);
  expect(text).toMatch(/10-ice-axe +end +refunded: Refunded 45\.00 USD for A-1009/);
  // Denied, and what the customer is told then.
  expect(text).toMatch(/03-damaged-rope +2\.1 +human +denied by the example, by its rule/);
  expect(text).toMatch(/03-damaged-rope +"we could not pay the money back at once/);
  // Halted with one refund on its way and another waiting for a human.
  expect(text).toMatch(
    /11-glasses-and-tent +end +halted: in flight, and recorded: refund 2\.1; never carried out: refund 2\.2/,
  );
  expect(text).toMatch(/12-please-stop +"we have stopped.*24\.00 USD for A-1010/);
  expect(text).toMatch(/money +4 paid back, together 121\.50 USD: each once in the books/);
  // What a human settles afterwards is no start.
  const late = await rows(`select a.position from belayer.attempt a
    join belayer.event e on e.run_no = a.run_no and e.kind = 'run.halting' 
      where a.started_at > e.at and a.worker not like 'human %'`);
  expect(late).toEqual([]);
}, 120_000);

interface Outcome {
  readonly kind: string;
  readonly because?: string;
}

const hasScript = spawnSync('/usr/bin/env', ['script', '--version']).status === 0;

test.skipIf(!hasScript)(
  'at a terminal a human approves one refund, denies another, and is shown the books for a third',
  async () => {
    folder = mkdtempSync(join(tmpdir(), 'belayer-inbox-'));
    const inbox = join(folder, 'inbox');
    mkdirSync(inbox);
    copyFileSync(join(samples, '03-damaged-rope.eml'), join(inbox, '1.eml'));
    writeFileSync(
      join(inbox, '2.eml'),
      'From: begona@example.com\nSubject: A-1006\n\nPlease refund the shoes of A-1006, they are too small.\n',
    );
    copyFileSync(join(samples, '10-ice-axe.eml'), join(inbox, '3.eml'));
    const program = start(['--fresh', '--inbox', inbox, '--at-once', '1'], 'pseudo');
    await program.until(/Approve refund .*A-1003.* y\/N/);
    expect(program.text()).toContain('189');
    program.child.stdin?.write('y\r');
    await program.until(/Approve refund .*A-1006.* y\/N/);
    program.child.stdin?.write('\r');
    await program.until(/Take wire_refund .*A-1009.* as done\? y\/N/);
    expect(program.text()).toMatch(/books +.*P-2, transfer, 45\.00 USD for A-1009/);
    program.child.stdin?.write('y\r');
    expect(await program.exit, program.text()).toBe(0);
    expect(program.text()).toMatch(/1 +end +refunded: Refunded 189\.00 USD/);
    expect(program.text()).toMatch(/2 +end +escalated: A refund was not made: denied/);
    expect(program.text()).toMatch(/3 +end +refunded: Refunded 45\.00 USD/);
    expect(await payments()).toEqual([
      { reference: 'A-1003', cents: 18_900 },
      { reference: 'A-1009', cents: 4_500 },
    ]);
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
