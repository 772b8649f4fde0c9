import { homedir } from 'node:os';
import { join } from 'node:path';

/** A history as Temporal gives it (`handle.fetchHistory()`), its JSON, or what `belayer histories export` wrote. */
export type ReplayInput = string | object;

/**
 * Replays a run's history on today's workflow code, without any server.
 *
 * Temporal compares the kind, id and type of every command, not its payload; comparing payloads comes
 * with strict replay. Resolves when every execution of the run replays.
 * @throws DeterminismViolationError  Today's code would have done something else.
 * @throws TypeError                  The input is no history.
 */
export async function replay(input: ReplayInput): Promise<void> {
  const { Worker } = await import('@temporalio/worker');
  const { workflowBundle } = await import('../workers/workflow-bundle.ts');
  const cache = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'belayer');
  const codePath = await workflowBundle(cache);
  const parsed: unknown = typeof input === 'string' ? JSON.parse(input) : input;
  for (const { history, workflowId } of executionsOf(parsed))
    await Worker.runReplayHistory({ workflowBundle: { codePath } }, history, workflowId);
}

interface Exported {
  readonly workflowId: string;
  readonly executions: readonly { readonly history: unknown }[];
}

function executionsOf(
  value: unknown,
): readonly { readonly history: unknown; readonly workflowId: string }[] {
  if (typeof value === 'object' && value !== null) {
    if ('executions' in value) {
      const { workflowId, executions } = value as Exported;
      return executions.map(({ history }) => ({
        history: typeof history === 'string' ? (JSON.parse(history) as unknown) : history,
        workflowId,
      }));
    }
    if ('events' in value) return [{ history: value, workflowId: 'replayed' }];
  }
  throw new TypeError(
    'A history has `events`, an exported run has `executions`; this value has neither.',
  );
}
