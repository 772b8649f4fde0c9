/**
 * The supervisor's process: `supervisor-main <data folder>`. It is started detached by whoever wants
 * a lease and finds no supervisor, so several may start at once: the one with the lock stays.
 */
import { serverLimits } from './server-limits.ts';
import { tryLock } from './generation-lock.ts';
import { sleep } from './stop-process.ts';
import { Supervisor } from './supervisor.ts';
import { supervisorAnswers } from './supervisor-connection.ts';
import { supervisorPlaces } from './supervisor-places.ts';

const log = (line: string): void =>
  void process.stdout.write(`${new Date().toISOString()} [${process.pid}] ${line}\n`);

async function main(): Promise<number> {
  const dataFolder = process.argv[2];
  if (dataFolder === undefined) throw new Error('Name the data folder.');
  const places = supervisorPlaces(dataFolder);
  const end = Date.now() + serverLimits.supervisorHandoverMsMax;
  for (;;) {
    const lock = tryLock(places.lockFolder, 'BELAYER_DATA');
    if ('release' in lock) break;
    if (await supervisorAnswers(places.socket)) {
      log(`Process ${lock.heldBy} is the supervisor already.`);
      return 0;
    }
    // It is starting, or it is stopping its servers: then this one is the next.
    if (Date.now() > end)
      throw new Error(
        `Process ${lock.heldBy} holds ${places.lockFolder} and does not answer on ${places.socket}. Stop it, then try again.`,
      );
    await sleep(serverLimits.lockRetryMs);
  }
  const grace = Number(process.env['BELAYER_SERVERS_GRACE_MS'] ?? '');
  const supervisor = new Supervisor({
    places,
    graceMs: Number.isFinite(grace) && grace > 0 ? grace : serverLimits.graceMs,
    log,
  });
  const stopped = new Promise<void>((resolve, reject) => {
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const)
      process.on(signal, () => void supervisor.stop(`received ${signal}`).then(resolve, reject));
    supervisor.onStopped = resolve;
  });
  await supervisor.listen();
  await stopped;
  return 0;
}

main().then(
  (code) => process.exit(code),
  (error: unknown) => {
    log(String(error instanceof Error ? (error.stack ?? error.message) : error));
    process.exit(1);
  },
);
