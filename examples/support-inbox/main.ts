/** `npm start`: servers, a worker, and a folder of mail to answer. All of it in this one process. */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BelayerError, failureType } from 'belayer/client';
import { startStandIn } from 'belayer/testing';
import { startWorker } from 'belayer/worker';
import { supportApp } from './app.ts';
import { noApprovals, terminalApprovals } from './approvals.ts';
import { type Desk, handleMail, type Handled } from './handle-mail.ts';
import { listMails } from './mail.ts';
import { type Options, readOptions, usage, UsageError } from './options.ts';
import { createMailer, startOutbox } from './outbox.ts';
import { createScreen, plain, table } from './progress.ts';
import { chooseModel, readSmtp } from './settings.ts';
import { openShop, type Shop } from './shop.ts';
import { supportRules } from './stand-in-rules.ts';
import { summarize } from './summary.ts';
import { newMails } from './watch-inbox.ts';

const samples = fileURLToPath(new URL('./mails', import.meta.url));
const screen = createScreen();

type Ending = (() => unknown)[];

async function main(options: Options, stop: AbortSignal, ending: Ending): Promise<number> {
  const { env } = process;
  const first = await listMails(options.inbox);
  if (first.length === 0) throw new UsageError(`The folder ${options.inbox} holds no .eml file.`);
  const model = chooseModel(env);
  const smtp = readSmtp(env);
  const hasTerminal = process.stdin.isTTY && process.stdout.isTTY;

  const outbox =
    smtp.url === undefined
      ? await startOutbox(resolve(env['BELAYER_DATA'] || '.belayer', 'outbox'))
      : undefined;
  ending.push(() => outbox?.close());
  const standIn =
    model === undefined
      ? await startStandIn({ rules: supportRules, thinkMs: options.thinkMs })
      : undefined;
  ending.push(() => standIn?.stop());
  const mailer = createMailer(outbox?.url ?? smtp.url ?? '', smtp.from);
  ending.push(() => mailer.close());

  // The tools need the shop, and the shop a database that is known only when the worker runs.
  let shopIsOpen: (shop: Shop) => void = () => undefined;
  const app = supportApp({
    shop: new Promise<Shop>((settle) => (shopIsOpen = settle)),
    mailer,
    mailerKeepsIds: outbox !== undefined || smtp.keepsIds,
    approvalAboveUsd: 50,
    approvalDeadline: hasTerminal ? '10 minutes' : '10 seconds',
  });
  screen.line('  Starting: servers where none are named, and a worker ...');
  const worker = await startWorker({
    app,
    buildId: 'support-inbox',
    environment: {
      // The screen tells what fails; the log would tell it again.
      BELAYER_LOG: 'error',
      ...env,
      ...(model === undefined ? {} : { BELAYER_MODEL: model }),
    },
    ...(standIn === undefined ? {} : { standIn }),
    log: (line) => screen.line(`  ${line}`),
    signal: stop,
  });
  ending.push(() => worker.stop());
  const shop = await openShop(worker.addresses.databaseUrl);
  ending.push(() => shop.close());
  shopIsOpen(shop);

  const { temporal, databaseEmbedded } = worker.addresses;
  screen.line(
    table([
      ['mails', `${first.length} in ${options.inbox}`],
      [
        'model',
        model ??
          'the stand-in, a program of rules; OPENAI_API_KEY or OPENAI_BASE_URL gives a real one',
      ],
      [
        'servers',
        `Temporal ${temporal.address}${temporal.embedded ? ' (embedded)' : ''}, PostgreSQL${databaseEmbedded ? ' (embedded)' : ' of DATABASE_URL'}`,
      ],
      [
        'replies',
        outbox === undefined
          ? 'go out by SMTP_URL'
          : `are kept in ${outbox.folder}; SMTP_URL sends them`,
      ],
      [
        'approvals',
        hasTerminal
          ? 'refunds above 50 USD are asked about here'
          : 'no terminal: refunds above 50 USD are denied after 10 s',
      ],
    ]) + '\n',
  );

  const desk: Desk = {
    belayer: worker.client,
    inbox: options.inbox,
    screen,
    approvals: hasTerminal ? terminalApprovals(screen) : noApprovals,
    keySuffix: options.fresh ? `-${Date.now().toString(36)}` : '',
    startedAt: await shop.now(),
    stop,
  };
  const all: Handled[] = [];
  const handleAll = async (files: readonly string[]): Promise<void> => {
    all.push(...(await atOnce(files, options.atOnce, (file) => handleMail(desk, file), stop)));
    const runs = all.flatMap((mail) => mail.run ?? []);
    screen.line(
      summarize(all, {
        refundedCents: await shop.refundedBy(runs),
        nominal: standIn !== undefined,
        temporalUi: temporal.uiUrl,
        outbox: outbox?.folder,
      }),
    );
  };

  // A worker that ends by itself ends the program, whatever is being waited for.
  await Promise.race([
    worker.running,
    (async () => {
      await handleAll(first);
      if (options.once || stop.aborted) return;
      screen.line('  Waiting for new .eml files in the folder. Ctrl-C ends.\n');
      for await (const files of newMails(options.inbox, first, stop)) await handleAll(files);
    })(),
  ]);
  return all.some((mail) => mail.end === 'failed') ? 1 : stop.aborted && options.once ? 130 : 0;
}

/** Runs `work` on all items, some at a time, in order of their start. */
async function atOnce<Item, Result>(
  items: readonly Item[],
  count: number,
  work: (item: Item) => Promise<Result>,
  stop: AbortSignal,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  const waiting = items.values();
  const one = async (): Promise<void> => {
    for (const item of waiting) {
      if (stop.aborted) return;
      results.push(await work(item));
    }
  };
  await Promise.all(Array.from({ length: count }, one));
  return results;
}

/** The first Ctrl-C ends in order, the second at once: the runs lose nothing either way. */
function stopOnSignals(): AbortSignal {
  const stop = new AbortController();
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const)
    process.on(signal, () => {
      if (stop.signal.aborted) process.exit(130);
      screen.line('\n  Stopping. What is under way goes on at the next start.');
      stop.abort();
    });
  return stop.signal;
}

function exitCodeOf(error: unknown): number {
  if (error instanceof UsageError) return 2;
  if (!(error instanceof BelayerError)) return 1;
  if (error.type === failureType.settingsRejected) return 2;
  return error.type === failureType.serverUnreachable || error.type === failureType.serverMissing
    ? 69
    : 1;
}

const ending: Ending = [];
try {
  const options = readOptions(process.argv.slice(2), samples);
  if (options === 'help') screen.line(usage);
  else process.exitCode = await main(options, stopOnSignals(), ending);
} catch (error) {
  const known = error instanceof UsageError || error instanceof BelayerError;
  process.stderr.write(`${known ? plain(error) : (error as Error).stack}\n`);
  process.exitCode = exitCodeOf(error);
}
for (const end of ending.toReversed()) await Promise.resolve(end()).catch(() => undefined);
// Idle connections that a library keeps must not hold up a finished program.
process.exit();
