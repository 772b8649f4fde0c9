/* oxlint-disable no-restricted-imports -- rerunning needs Temporal's worker and the application; they are loaded when a command reruns, here and nowhere else */
/** The door from the command line to reruns: the code comes with the call. */
import type { RerunOptions, Reruns } from '../../testing/rerun/rerun.ts';
import type { UnmatchedCall } from '../../testing/rerun/rerunning.ts';
import { loadApplicationOf } from './load-worker.ts';
import type { Terminal } from './terminal.ts';

export type { RerunOptions, Reruns, UnmatchedCall };

/** Loads the application, reruns with one replaying worker and closes it, whatever happens. */
export async function withReruns<Result>(
  terminal: Terminal,
  app: string | undefined,
  options: RerunOptions,
  use: (reruns: Reruns) => Promise<Result>,
): Promise<Result> {
  const application = await loadApplicationOf(terminal, app);
  const [{ startReruns }, { installQuietRuntime }] = await Promise.all([
    import('../../testing/rerun/rerun.ts'),
    import('../../testing/replay/quiet-runtime.ts'),
  ]);
  installQuietRuntime();
  const reruns = await startReruns(application.app, options);
  if (reruns.notice !== undefined) terminal.note(reruns.notice);
  try {
    return await use(reruns);
  } finally {
    await reruns.close();
  }
}
