/** `npm start`: servers, a worker, and a folder of mail to answer. All of it in this one process. */
import { resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { BelayerError, failureType } from 'belayer/client';
import { startStandIn } from 'belayer/testing';
import { startWorker } from 'belayer/worker';
import { supportApp } from './app.ts';
import { terminalApprovals } from './approvals.ts';
import { atOnce } from './at-once.ts';
import type { Backend } from './backend.ts';
import { callOff } from './call-off.ts';
import { type Desk, handleMail, type Handled } from './handle-mail.ts';
import { listMails, NoMail, readMail } from './mail.ts';
import { opening } from './opening.ts';
import { type Options, readOptions, usage, UsageError } from './options.ts';
import { createMailer, messageIdOf, readSent, startOutbox } from './outbox.ts';
import { sampleTroubles, startPaymentService } from './payment-service.ts';
import { createPayments } from './payments.ts';
import { createScreen, plain } from './progress.ts';
import { reconcile } from './reconcile.ts';
import { chooseModel, readSmtp } from './settings.ts';
import { openShop } from './shop.ts';
import { supportRules } from './stand-in-rules.ts';
import { summarize } from './summary.ts';
import { createTurns } from './turns.ts';
import { unattended } from './unattended.ts';
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

  // The tools need a database that is known only when the worker runs.
  let open: (backend: Backend) => void = () => undefined;
  const app = supportApp({
    backend: new Promise<Backend>((settle) => (open = settle)),
    mailer,
    mailerKeepsIds: outbox !== undefined || smtp.keepsIds,
    approvalAboveUsd: 50,
  });
  // What the tools work with is closed after the worker, which may still be in the middle of one.
  const backendEnding: Ending = [];
  ending.push(() => endAll(backendEnding));
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
  backendEnding.push(() => shop.close());
  const bank = await startPaymentService(worker.addresses.databaseUrl, sampleTroubles);
  backendEnding.push(() => bank.close());
  const payments = createPayments(bank.url);
  open({ shop, payments, callOff: (caller) => callOff(worker.client, caller) });

  const { temporal } = worker.addresses;
  screen.line(
    opening({
      inbox: `${first.length} in ${options.inbox}`,
      model,
      servers: worker.addresses,
      outbox: outbox?.folder,
      payments: bank.url,
      hasTerminal,
    }),
  );

  const desk: Desk = {
    belayer: worker.client,
    screen,
    approvals: (hasTerminal ? terminalApprovals : unattended)(screen, payments),
    turns: createTurns(),
    sentText: async (key) =>
      outbox === undefined ? undefined : readSent(outbox.folder, messageIdOf(key, smtp.from)),
    keySuffix: options.fresh ? `-${Date.now().toString(36)}` : '',
    startedAt: await shop.now(),
    stop,
  };
  const all: Handled[] = [];
  const handleAll = async (files: readonly string[]): Promise<void> => {
    const mails: (readonly [string, Awaited<ReturnType<typeof openMail>>])[] = [];
    for (const file of files) mails.push([file, await openMail(options.inbox, file)]);
    all.push(...(await atOnce(mails, options.atOnce, (mail) => handleMail(desk, ...mail), stop)));
    const allowed = await shop.refundsOf(all.flatMap((mail) => mail.run ?? []));
    const books = await payments.books(allowed.map(({ order }) => order));
    screen.line(
      summarize(all, {
        money: reconcile(all, allowed, books),
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

const openMail = (inbox: string, file: string) =>
  readMail(inbox, file).catch((error: unknown) => {
    if (error instanceof NoMail) return error;
    throw error;
  });

/** The last that was begun ends first; one that cannot end holds up no other. */
async function endAll(ending: Ending): Promise<void> {
  for (const end of ending.toReversed()) await Promise.resolve(end()).catch(() => undefined);
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
await endAll(ending);
// Idle connections that a library keeps must not hold up a finished program.
process.exit();
