/** A build with a fault of its own: every workflow task of a run fails. */
export async function agentRun(): Promise<never> {
  await Promise.resolve();
  throw new Error('Invariant broken: deployed on purpose');
}
