import { exportRecording } from '../../client/recordings/export-recording.ts';
import type { World } from './world.ts';

/** A run's recording as `belayer histories export --keep-secrets` writes it. */
export async function recordingOf(world: World, run: string): Promise<string> {
  const parts = { database: world.database, temporal: world.temporal, by: 'tester' };
  let text = '';
  await exportRecording(parts, run, { keepSecrets: true }, (line) => {
    text += line;
  });
  return text;
}
