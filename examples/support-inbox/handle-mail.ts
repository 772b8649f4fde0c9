/** One mail, from its file to the end of its run. */
import type { Belayer, RunEvent } from 'belayer/client';
import type { resolutions, SupportApp } from './app.ts';
import { describe } from './event-line.ts';
import { NoMail, type Mail } from './mail.ts';
import { at, ended, plain, quoted, type Screen } from './progress.ts';
import type { Approvals } from './questions.ts';
import { decisionsOf, haltOf, nothing, type Tally, tallyOf } from './tally.ts';
import type { Turn, Turns } from './turns.ts';

export interface Handled {
  readonly file: string;
  readonly run?: string;
  readonly end: 'done' | 'halted' | 'failed' | 'skipped' | 'under way';
  /** The run had ended before this program was started. */
  readonly before: boolean;
  readonly resolution: string;
  /** One line: what the run says of itself, or why it has nothing to say. */
  readonly summary: string;
  /** What humans were asked, and who decided. */
  readonly decisions: readonly string[];
  readonly tally: Tally;
}

export interface Desk {
  readonly belayer: Belayer<SupportApp>;
  readonly screen: Screen;
  readonly approvals: Approvals;
  readonly turns: Turns;
  /** The text of the reply that a tool call sent, by the call's key; undefined where nobody kept it. */
  sentText(key: string): Promise<string | undefined>;
  /** Added to the keys of runs: other runs than those of an earlier start. */
  readonly keySuffix: string;
  /** By the database's clock. What happened before is not told again. */
  readonly startedAt: Date;
  /** Aborted: stop watching. The runs go on at the next start. */
  readonly stop: AbortSignal;
}

const goesOn = 'goes on at the next start';

/** Never throws: a mail that cannot be handled must not hold up the others. */
export async function handleMail(desk: Desk, file: string, mail: Mail | NoMail): Promise<Handled> {
  const without = { file, before: false, decisions: [], tally: nothing };
  const skip = (resolution: 'skipped' | 'failed', error: unknown): Handled => {
    const summary = plain(error);
    desk.screen.of(file, ended(resolution, summary));
    return { ...without, end: resolution, resolution, summary };
  };
  if (mail instanceof NoMail) return skip('skipped', mail);
  // Before anything is waited for, so that turns are in the order of the files.
  const turn = desk.turns(mail.input.from);
  try {
    await turn.mine;
    if (desk.stop.aborted)
      return { ...without, end: 'under way', resolution: 'under way', summary: goesOn };
    return await follow(desk, mail, turn);
  } catch (error) {
    return skip('failed', error);
  } finally {
    turn.pass();
  }
}

async function follow(desk: Desk, mail: Mail, turn: Turn): Promise<Handled> {
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
      if (text !== undefined) {
        screen.of(file, text);
        const said = await answerOf(desk, event);
        if (said !== undefined) screen.of(file, at('', '', quoted(said)));
      }
      if (event.kind === 'request.opened') {
        turn.pass();
        const closed = new AbortController();
        open.set(event.position, closed);
        desk.approvals
          .ask({
            file,
            run,
            position: event.position,
            closed: AbortSignal.any([closed.signal, desk.stop]),
          })
          .catch((error: unknown) => screen.of(file, plain(error)));
      }
      if (event.kind === 'request.closed') open.get(event.position)?.abort();
    }
  } finally {
    for (const closed of open.values()) closed.abort();
  }
  const tally = tallyOf(events);
  const decisions = decisionsOf(events);
  const handled = (end: Handled['end'], resolution: string, summary: string): Handled => {
    if (end !== 'under way') screen.of(file, ended(resolution, summary, before ? 'before' : 'now'));
    return { file, run: run.id, end, before, resolution, summary, decisions, tally };
  };
  if (desk.stop.aborted && events.at(-1)?.kind !== 'run.ended')
    return handled('under way', 'under way', goesOn);

  const outcome = await run.outcome();
  if (outcome.kind === 'done') {
    const { resolution, summary } = outcome.output;
    return isProven(resolution, tally)
      ? handled('done', resolution, summary)
      : handled('done', 'unproven', `it says ${resolution}, and did not. ${summary}`);
  }
  if (outcome.kind === 'failed')
    return handled('failed', 'failed', `${outcome.failure.type}: ${outcome.failure.message}`);
  // A run that stops because it was told to has not failed.
  return outcome.because === 'halted'
    ? handled('halted', 'halted', haltOf(events))
    : handled('failed', 'stopped', `${outcome.because}. ${outcome.detail}`);
}

async function answerOf(desk: Desk, event: RunEvent): Promise<string | undefined> {
  return event.kind === 'tool.finished' && event.tool === 'reply' && event.status === 'ok'
    ? desk.sentText(`${event.run}/${event.position}`)
    : undefined;
}

/** What a model says that it did is held against what its tools did. */
function isProven(resolution: (typeof resolutions)[number], { tools }: Tally): boolean {
  const proofs = {
    refunded: ['refund', 'wire_refund'],
    answered: ['reply'],
    'called-off': ['call_off'],
    escalated: ['escalate'],
    nothing: undefined,
  }[resolution];
  return proofs === undefined || proofs.some((tool) => (tools[tool] ?? 0) > 0);
}
