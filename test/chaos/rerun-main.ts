/**
 * Reruns recordings strictly, in a process that has no network: every file of the folder that is named.
 * Prints one JSON object a line.
 */
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { readRecording } from '../../storage/recordings/read-recording.ts';
import { installQuietRuntime } from '../../testing/replay/quiet-runtime.ts';
import { startReruns } from '../../testing/rerun/rerun.ts';
import app from './chaos-app.ts';

const folder = process.argv[2] ?? '';
installQuietRuntime();
const reruns = await startReruns(app, { environment: {} });
for (const file of readdirSync(folder).toSorted()) {
  const before = process.cpuUsage();
  const result = await reruns.rerun(readRecording(readFileSync(join(folder, file))));
  const { user, system } = process.cpuUsage(before);
  const cpuMs = (user + system) / 1_000;
  await new Promise((resolve) =>
    process.stdout.write(`${JSON.stringify({ result, cpuMs })}\n`, resolve),
  );
}
await reruns.close();
