/** One mail, from its file to the end of its run. */
import type { Belayer, RunEvent } from 'belayer/client';
import type { resolutions, SupportApp } from './app.ts';
import type { Approvals } from './approvals.ts';
import { NoMail, readMail, type Mail } from './mail.ts';
import { describe, ended, plain, type Screen } from './progress.ts';

export interface Handled {
  readonly file: string;
  readonly run?: string;
  readonly end: 'done' | 'failed' | 'skipped' | 'under way';
  /** The run had ended before this program was started. */
  readonly before: boolean;
  readonly resolution: string;
  readonly tally: Tally;
}

/** What one run came to, counted from its events. */
export interface Tally {
  readonly costMicroUsd: number;
  readonly tokens: number;
  /** Model calls and tool calls, and the attempts that they took. */
  readonly calls: number;
  readonly attempts: number;
  /** Tool calls that were carried out, by tool. */
  readonly tools: Readonly<Record<string, number>>;
}

export interface Desk {
  readonly belayer: Belayer<SupportApp>;
  readonly inbox: string;
  readonly screen: Screen;
  readonly approvals: Approvals;
  /** Added to the keys of runs: other runs than those of an earlier start. */
  readonly keySuffix: string;
  /** By the database's clock. What happened before is not told again. */
  readonly startedAt: Date;
  /** Aborted: stop watching. The runs go on at the next start. */
  readonly stop: AbortSignal;
}

const nothing: Tally = { costMicroUsd: 0, tokens: 0, calls: 0, attempts: 0, tools: {} };

/** Never throws: a mail that cannot be handled must not hold up the others. */
export async function handleMail(desk: Desk, file: string): Promise<Handled> {
  const { screen } = desk;
  try {
    return await follow(desk, await readMail(desk.inbox, file));
  } catch (error) {
    const skipped = error instanceof NoMail;
    const resolution = skipped ? 'skipped' : 'failed';
    screen.of(file, ended(resolution, plain(error)));
    return { file, end: resolution, before: false, resolution, tally: nothing };
  }
}

async function follow(desk: Desk, mail: Mail): Promise<Handled> {
  const { screen, startedAt } = desk;
  const { file } = mail;
  // The same key is the same run: of a mail that was handled before, or is being handled.
  const run = await desk.belayer.start('support', {
    input: mail.input,
    customer: mail.input.from,
    key: `${mail.key}${desk.keySuffix}`,
  });
  const { createdAt, endedAt } = await run.status();
  const before = endedAt !== null && endedAt < startedAt;
  if (!before && createdAt < startedAt)
    screen.of(file, `     again  ${run.id} goes on where it was`);

  const events: RunEvent[] = [];
  const open = new Map<string, AbortController>();
  try {
    for await (const event of run.watch({ signal: desk.stop })) {
      events.push(event);
      const text = new Date(event.at) < startedAt ? undefined : describe(event);
      if (text !== undefined) screen.of(file, text);
      if (event.kind === 'request.opened') {
        const closed = new AbortController();
        open.set(event.position, closed);
        desk.approvals
          .ask(run, event.position, AbortSignal.any([closed.signal, desk.stop]))
          .catch((error: unknown) => screen.of(file, plain(error)));
      }
      if (event.kind === 'request.closed') open.get(event.position)?.abort();
    }
  } finally {
    for (const closed of open.values()) closed.abort();
  }
  const tally = tallyOf(events);
  if (desk.stop.aborted && events.at(-1)?.kind !== 'run.ended')
    return { file, run: run.id, end: 'under way', before, resolution: 'under way', tally };

  const outcome = await run.outcome();
  const when = before ? 'before' : 'now';
  if (outcome.kind === 'done') {
    const claimed = outcome.output;
    const { resolution, summary } = isProven(claimed.resolution, tally)
      ? claimed
      : {
          resolution: 'unproven',
          summary: `it says ${claimed.resolution}, and did not. ${claimed.summary}`,
        };
    screen.of(file, ended(resolution, summary, when));
    return { file, run: run.id, end: 'done', before, resolution, tally };
  }
  const why =
    outcome.kind === 'stopped'
      ? `${outcome.because}. ${outcome.detail}`
      : `${outcome.failure.type}: ${outcome.failure.message}`;
  screen.of(file, ended(outcome.kind, why, when));
  return { file, run: run.id, end: 'failed', before, resolution: outcome.kind, tally };
}

/** What a model says that it did is held against what its tools did. */
function isProven(resolution: (typeof resolutions)[number], tally: Tally): boolean {
  const tool = { refunded: 'refund', answered: 'reply', escalated: 'escalate', nothing: undefined }[
    resolution
  ];
  return tool === undefined || (tally.tools[tool] ?? 0) > 0;
}

export function tallyOf(events: readonly RunEvent[]): Tally {
  const attempts = new Map<string, number>();
  const tools = new Map<string, number>();
  let spent = { costMicroUsd: 0, tokens: 0 };
  for (const event of events) {
    if ('attempt' in event)
      attempts.set(event.position, Math.max(attempts.get(event.position) ?? 0, event.attempt));
    if (event.kind === 'tool.finished' && event.status === 'ok')
      tools.set(event.tool, (tools.get(event.tool) ?? 0) + 1);
    if (event.kind === 'run.ended')
      spent = { costMicroUsd: event.costMicroUsd, tokens: event.tokens };
  }
  return {
    ...spent,
    calls: attempts.size,
    attempts: [...attempts.values()].reduce((sum, each) => sum + each, 0),
    tools: Object.fromEntries(tools),
  };
}
