import type { App } from '../../definitions/index.ts';
import { startWorker } from '../../workers/start-worker.ts';

/** A worker that is this whole process: settings from the environment, `ready` on stdout, ended in order by SIGTERM. */
export async function workUntilTold(app: App, buildId = 'test'): Promise<void> {
  const worker = await startWorker({ app, buildId });
  process.once('SIGTERM', () => {
    worker.stop().then(
      () => process.exit(0),
      () => process.exit(1),
    );
  });
  process.stdout.write('ready\n');
  await worker.running;
}
