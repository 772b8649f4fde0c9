/**
 * Decides where nobody is at the terminal. Its rule is code, and short:
 *
 * 1. A refund of which nobody knows whether it happened is looked up in the payment service's books.
 * 2. A refund above `deniedAboveUsd` is denied at once.
 * 3. Any other waits `waitsMs` for `npx belayer approve`, from wherever. Silence is a no.
 * 4. What else may have happened, a mail that may have gone out, is not done again.
 */
import type { RequestRow } from 'belayer/client';
import { lookUp, settle } from './books.ts';
import type { Payments } from './payments.ts';
import { at, type Screen } from './progress.ts';
import { type Approvals, decide, factsOf, openRequest, type Question } from './questions.ts';

export const deniedAboveUsd = 150;
export const waitsMs = 120_000;
/** As long may another terminal answer what the books cannot. */
const nobodyMs = 10_000;

export function unattended(screen: Screen, payments: Payments): Approvals {
  return {
    async ask(question) {
      const { file, run, position, closed } = question;
      const request = await openRequest(run, position);
      if (request === undefined || closed.aborted) return;
      const problem = await decide(() =>
        request.kind === 'unknown'
          ? settleUnknown(screen, payments, question, request)
          : judge(question, request),
      );
      if (problem !== undefined) screen.of(file, problem);
    },
  };
}

async function settleUnknown(
  screen: Screen,
  payments: Payments,
  { file, run, position, closed }: Question,
  request: RequestRow,
): Promise<void> {
  const finding = await lookUp(payments, request);
  for (const line of factsOf(request, finding)) screen.of(file, at('', '', line));
  if (finding !== undefined) return settle(run, request, finding, 'the example, by the books');
  await pause(nobodyMs, closed);
  if (!closed.aborted) await run.deny(position, { by: 'nobody', reason: 'no terminal' });
}

async function judge({ run, position, closed }: Question, request: RequestRow): Promise<void> {
  const { amountUsd } = JSON.parse(request.arguments) as { readonly amountUsd: number };
  const deny = (reason: string) => run.deny(position, { by: 'the example, by its rule', reason });
  if (amountUsd > deniedAboveUsd) {
    await deny(`Nobody is here, and ${amountUsd} USD is above ${deniedAboveUsd} USD.`);
    return;
  }
  await pause(waitsMs, closed);
  if (!closed.aborted) await deny('Nobody is here, and nobody answered from elsewhere.');
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const timer = setTimeout(resolve, ms);
    signal.addEventListener('abort', () => {
      clearTimeout(timer);
      resolve();
    });
  });
