/** A customer called it off: what else runs for them is halted. */
import { type Belayer, BelayerError, failureType } from 'belayer/client';

const runsMax = 20;

/**
 * The runs of the customer that stand halted, besides the caller's own. Nothing of them starts after
 * this; a payment that is on its way is recorded. Asked again, it gives the same ones.
 */
export async function callOff(
  belayer: Pick<Belayer, 'run' | 'runs'>,
  caller: { readonly customer: string; readonly run: string; readonly reason: string },
): Promise<readonly string[]> {
  const { customer, run: own, reason } = caller;
  const stopped: string[] = [];
  for (const { id, outcome } of await belayer.runs({ customer, limit: runsMax })) {
    if (id === own) continue;
    if (outcome !== null) {
      if (outcome.kind === 'stopped' && outcome.because === 'halted') stopped.push(id);
      continue;
    }
    try {
      await (await belayer.run(id)).halt(`called off: ${reason}`, { by: customer });
      stopped.push(id);
    } catch (error) {
      // It has just ended by itself: there is nothing to halt.
      if (!isTooLate(error)) throw error;
    }
  }
  return stopped;
}

const isTooLate = (error: unknown): boolean =>
  error instanceof BelayerError && error.type === failureType.decisionRejected;
