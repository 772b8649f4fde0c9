/** Asks again while a server is down: what the chaos itself needs must not fail for the chaos. */
export async function patiently<Value>(
  ask: () => Promise<Value>,
  withinMs = 120_000,
): Promise<Value> {
  const until = Date.now() + withinMs;
  for (;;) {
    try {
      return await ask();
    } catch (error) {
      if (Date.now() > until) throw error;
      await new Promise((resolve) => setTimeout(resolve, 300));
    }
  }
}
