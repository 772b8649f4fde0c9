import { readRecording, type Recording } from '../../storage/recordings/read-recording.ts';
import type { Parts } from '../parts.ts';
import { exportRecording } from './export-recording.ts';

/**
 * The recording of a run as `belayer histories export` would write it, with nothing taken out: for use in
 * this process.
 *
 * @throws RunUnknown, RecordingExpired, RecordingDamaged, ServerUnreachable
 */
export async function recordingOfRun(
  parts: Pick<Parts, 'database' | 'temporal' | 'by'>,
  run: string,
): Promise<Recording> {
  const lines: string[] = [];
  await exportRecording(parts, run, { keepSecrets: true }, (line) => void lines.push(line));
  return readRecording(lines.join(''));
}
