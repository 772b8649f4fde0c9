/**
 * Asks the human at the terminal, one question at a time.
 *
 * The question outlives this process: it is a row in the database with a deadline, and `belayer
 * approve` or another terminal may answer it as well.
 */
import { createInterface } from 'node:readline';
import pc from 'picocolors';
import { BelayerError, type RequestRow, type Run } from 'belayer/client';
import { clock, plain, type Screen, visible } from './progress.ts';

export interface Approvals {
  /** Resolves when the request is decided, by whomever, or `closed` is aborted. */
  ask(run: Run, position: string, closed: AbortSignal): Promise<void>;
}

/** Without a terminal a question of unknown outcome has nobody to answer it: it is denied after this. */
export const nobodyMs = 10_000;

export function terminalApprovals(screen: Screen): Approvals {
  let last: Promise<void> = Promise.resolve();
  return {
    ask(run, position, closed) {
      last = last.then(() => askOne(screen, run, position, closed));
      return last;
    },
  };
}

/** Nobody is there: approvals expire by themselves, and what would wait for ever is denied. */
export const noApprovals: Approvals = {
  async ask(run, position, closed) {
    const request = await openRequest(run, position);
    if (request?.kind !== 'unknown') return;
    await sleep(nobodyMs, closed);
    if (!closed.aborted)
      await decide(() => run.deny(position, { by: 'nobody', reason: 'no terminal' }));
  },
};

async function askOne(
  screen: Screen,
  run: Run,
  position: string,
  closed: AbortSignal,
): Promise<void> {
  const request = await openRequest(run, position);
  if (request === undefined || closed.aborted) return;
  for (const line of question(request)) screen.line(line);
  const answer = await prompt(screen, `${asked(request)} y/N `, closed);
  if (answer === undefined) return;
  const yes = /^\s*y(es)?\s*$/i.test(answer);
  const problem = await decide(() =>
    yes ? run.approve(position, { argumentsHash: request.argumentsHash }) : run.deny(position),
  );
  if (problem !== undefined) screen.line(`  ${problem}`);
}

function question(request: RequestRow): string[] {
  const given = JSON.parse(request.arguments) as Readonly<Record<string, unknown>>;
  const about =
    request.kind === 'approval'
      ? `The agent wants to use ${pc.bold(request.tool)} for ${visible(request.customer)}:`
      : `Nobody knows whether ${pc.bold(request.tool)} happened. ${visible(request.detail ?? '')}`;
  return [
    '',
    `  ${pc.yellow('?')} ${about}`,
    ...Object.entries(given).map(
      ([name, value]) => `      ${visible(name).padEnd(10)} ${visible(JSON.stringify(value))}`,
    ),
    `      ${pc.dim(`until ${clock(request.deadline)}, then it is denied`)}`,
  ];
}

const argumentsShownMax = 60;

/** The last line, which stays in sight while others work: with the arguments where there is room. */
function asked({ kind, tool, arguments: given }: RequestRow): string {
  const call = given.length <= argumentsShownMax ? `${tool} ${visible(given)}` : tool;
  return kind === 'approval' ? `Approve ${call}?` : `Do ${call} again?`;
}

/** One line from the terminal; undefined where the question was closed before. */
function prompt(screen: Screen, text: string, closed: AbortSignal): Promise<string | undefined> {
  return new Promise((resolve) => {
    const reader = createInterface({ input: process.stdin, output: process.stdout });
    let answer: string | undefined;
    const close = (): void => reader.close();
    closed.addEventListener('abort', close, { once: true });
    // In a question the terminal sends Ctrl-C here, not to the process.
    reader.on('SIGINT', () => process.kill(process.pid, 'SIGINT'));
    reader.once('line', (line) => {
      answer = line;
      reader.close();
    });
    reader.once('close', () => {
      closed.removeEventListener('abort', close);
      screen.above = undefined;
      if (answer === undefined) process.stdout.write('\n');
      resolve(answer);
    });
    screen.above = (line) => {
      process.stdout.write(`\r\u001b[K${line}\n`);
      reader.prompt(true);
    };
    reader.setPrompt(`  ${text}`);
    reader.prompt();
  });
}

const openRequest = async (run: Run, position: string): Promise<RequestRow | undefined> =>
  (await run.requests()).find(
    (request) => request.position === position && request.state === 'open',
  );

/** A decision that came too late is no failure: someone else, or the deadline, was first. */
async function decide(send: () => Promise<unknown>): Promise<string | undefined> {
  try {
    await send();
    return undefined;
  } catch (error) {
    if (error instanceof BelayerError) return plain(error);
    throw error;
  }
}

const sleep = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
