/** A worker of `overload-app.ts` as a process of its own, for tests that kill it. */
import { startWorker } from '../../workers/start-worker.ts';
import app from './overload-app.ts';

const worker = await startWorker({ app, buildId: 'test' });
process.once('SIGTERM', () => {
  worker.stop().then(
    () => process.exit(0),
    () => process.exit(1),
  );
});
process.stdout.write('ready\n');
await worker.running;
