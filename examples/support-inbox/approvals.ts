/**
 * Asks the human at the terminal, one question at a time.
 *
 * The question outlives this process: it is a row in the database with a deadline, and `belayer
 * approve` or another terminal may answer it as well.
 */
import { createInterface } from 'node:readline';
import pc from 'picocolors';
import type { RequestRow } from 'belayer/client';
import { type Finding, lookUp, settle } from './books.ts';
import type { Payments } from './payments.ts';
import { clock, type Screen, visible } from './progress.ts';
import { type Approvals, decide, factsOf, openRequest, type Question } from './questions.ts';

export function terminalApprovals(screen: Screen, payments: Payments): Approvals {
  let last: Promise<void> = Promise.resolve();
  return {
    ask(question) {
      // A question that failed must not silence those behind it.
      last = last.catch(() => undefined).then(() => askOne(screen, payments, question));
      return last;
    },
  };
}

async function askOne(
  screen: Screen,
  payments: Payments,
  { run, position, closed }: Question,
): Promise<void> {
  const request = await openRequest(run, position);
  if (request === undefined || closed.aborted) return;
  const finding = request.kind === 'unknown' ? await lookUp(payments, request) : undefined;
  for (const line of told(request, finding)) screen.line(line);
  const answer = await prompt(screen, `${asked(request, finding)} y/N `, closed);
  if (answer === undefined) return;
  const yes = /^\s*y(es)?\s*$/i.test(answer);
  const { argumentsHash } = request;
  const problem = await decide(() => {
    if (!yes) return run.deny(position);
    return finding === undefined
      ? run.approve(position, { argumentsHash })
      : settle(run, request, finding);
  });
  if (problem !== undefined) screen.line(`  ${problem}`);
}

function told(request: RequestRow, finding: Finding | undefined): string[] {
  const about =
    request.kind === 'approval'
      ? `The agent wants to use ${pc.bold(request.tool)} for ${visible(request.customer)}:`
      : `Nobody knows whether ${pc.bold(request.tool)} happened. ${visible(request.detail ?? '')}`;
  return [
    '',
    `  ${pc.yellow('?')} ${about}`,
    ...factsOf(request, finding).map((line) => `      ${line}`),
    `      ${pc.dim(`until ${clock(request.deadline)}, then it is denied`)}`,
  ];
}

const argumentsShownMax = 60;

/** The last line, which stays in sight while others work: with the arguments where there is room. */
function asked({ kind, tool, arguments: given }: RequestRow, finding: Finding | undefined): string {
  const call = given.length <= argumentsShownMax ? `${tool} ${visible(given)}` : tool;
  if (kind === 'approval') return `Approve ${call}?`;
  return finding?.movement === undefined ? `Do ${call} again?` : `Take ${call} as done?`;
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
