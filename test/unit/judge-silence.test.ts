import { expect, test } from 'vitest';
import {
  judgeSilence,
  type PendingCall,
  type WorkflowSight,
} from '../../client/stuck/judge-silence.ts';

const nowMs = 10_000_000;
const silentMs = 300_000;
const suspect = { run: 'support-1', state: 'running', waitsFor: null };

const aSight = (given: Partial<WorkflowSight> = {}): WorkflowSight => ({
  status: 'RUNNING',
  taskQueue: 'belayer',
  lastPollMs: nowMs - 1_000,
  workflowTask: undefined,
  taskFailure: undefined,
  calls: [],
  children: 0,
  ...given,
});
const aCall = (given: Partial<PendingCall> = {}): PendingCall => ({
  type: 'runTool',
  attempt: 1,
  state: 'started',
  startedMs: nowMs - 600_000,
  timeoutMs: 3_600_000,
  nextAttemptMs: undefined,
  lastFailure: undefined,
  ...given,
});
const judge = (
  sight: WorkflowSight,
  given: Partial<Parameters<typeof judgeSilence>[0]> = {},
): ReturnType<typeof judgeSilence> =>
  judgeSilence({ ...suspect, ...given }, sight, { silentMs, nowMs });

test('a call within its own time and a child run are good reasons to be silent', () => {
  expect(judge(aSight({ calls: [aCall()] }))).toBeUndefined();
  expect(judge(aSight({ children: 1 }))).toBeUndefined();
  expect(
    judge(aSight({ calls: [aCall({ attempt: 2 }), aCall({ state: 'queued' })] })),
  ).toBeUndefined();
});

test('a call beyond its time, one that waits for its next try and one that keeps failing are named', () => {
  expect(judge(aSight({ calls: [aCall({ timeoutMs: 20_000 })] }))).toEqual({
    finding: 'silent',
    detail: '`runTool`, attempt 1, is in flight beyond its time of 20000 ms.',
  });
  const waits = aCall({
    state: 'queued',
    attempt: 4,
    nextAttemptMs: nowMs + 3_000_000,
    lastFailure: '503',
  });
  expect(judge(aSight({ calls: [waits] }))?.detail).toBe(
    '`runTool`, attempt 4, waits until 1970-01-01T03:36:40.000Z. Last failure: 503',
  );
  const fails = aCall({ attempt: 90, startedMs: nowMs - 100, timeoutMs: 5_000, lastFailure: 'no' });
  expect(judge(aSight({ calls: [fails] }))?.detail).toContain('keeps failing. Last failure: no');
  expect(judge(aSight())?.finding).toBe('silent');
});

test('nobody to carry a run out is said before what waits for it', () => {
  expect(
    judge(aSight({ lastPollMs: nowMs - 120_000, workflowTask: { attempt: 9, scheduledMs: 0 } }))
      ?.finding,
  ).toBe('no-worker');
  expect(judge(aSight(), { waitsFor: 'No worker has the tool `look`.' })).toEqual({
    finding: 'no-worker',
    detail: 'No worker has the tool `look`.',
  });
});

test('a workflow task that was just scheduled is not waited for yet', () => {
  const workflowTask = { attempt: 1, scheduledMs: nowMs - 1_000 };
  expect(judge(aSight({ workflowTask }))).toBeUndefined();
  expect(judge(aSight({ workflowTask: { attempt: 1, scheduledMs: 0 } }))?.finding).toBe('silent');
});

test('a workflow task that no worker has taken is said with the last poll', () => {
  expect(judge(aSight({ workflowTask: { attempt: 1, scheduledMs: 0 } }))?.detail).toBe(
    'No worker has taken its workflow task since 1970-01-01T00:00:00.000Z. The last poll on task queue `belayer` was at 1970-01-01T02:46:39.000Z.',
  );
});

test('a run is parked by a workflow task that fails, not by one whose workers died', () => {
  const taskFailure = 'It fails with: no.';
  const repeated = (attempt: number, given: Partial<WorkflowSight> = {}) =>
    judge(aSight({ workflowTask: { attempt, scheduledMs: nowMs - 60_000 }, ...given }));
  expect(repeated(3, { taskFailure })?.finding).toBe('parked');
  expect(repeated(2, { taskFailure })).toBeUndefined();
  expect(repeated(9)).toBeUndefined();
  const long = judge(aSight({ workflowTask: { attempt: 9, scheduledMs: 0 } }));
  expect(long?.finding).toBe('silent');
  expect(long?.detail).toContain('it is at attempt 9, and the workers of those before died');
});

test('a run whose workflow was never started is not dead', () => {
  const sight = aSight({ status: undefined });
  expect(judge(sight, { state: 'starting' })?.finding).toBe('silent');
  expect(judge({ ...sight, lastPollMs: undefined }, { state: 'starting' })?.finding).toBe(
    'no-worker',
  );
  expect(judge(sight)?.finding).toBe('dead');
  expect(judge(aSight({ status: 'TIMED_OUT' }))?.detail).toContain(
    'belayer halt support-1 --force',
  );
});

test('a run that a build keeps waits for a worker of that build, and is told how to leave it', () => {
  const build = { deployment: 'shop', buildId: 'one' };
  const old = { lastPollMs: nowMs - 120_000 };
  expect(judge(aSight({ ...old, build }))).toEqual({
    finding: 'no-worker',
    detail:
      'No worker of build `one` of deployment `shop` asks for work on task queue `belayer`. Start one, or: belayer deployments move support-1 --to BUILD',
  });
  expect(judge(aSight(old))?.detail).toBe(
    'No worker asks for work on task queue `belayer`. Start one.',
  );
});
