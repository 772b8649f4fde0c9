/** A worker of the chaos runs, as a process of its own: settings from the environment. */
import { startWorker } from '../../workers/start-worker.ts';
import app from './chaos-app.ts';

const worker = await startWorker({ app, buildId: 'chaos' });
process.once('SIGTERM', () => {
  worker.stop().then(
    () => process.exit(0),
    () => process.exit(1),
  );
});
process.stdout.write('ready\n');
await worker.running;
