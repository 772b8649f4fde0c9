/** Asks again until the answer is neither false nor undefined, and gives it. Fails after `withinMs`. */
export async function eventually<Value>(
  ask: () => Value | Promise<Value>,
  withinMs = 20_000,
): Promise<Exclude<Value, undefined | false>> {
  const until = Date.now() + withinMs;
  for (;;) {
    const value = await ask();
    if (value !== undefined && value !== false) return value as Exclude<Value, undefined | false>;
    if (Date.now() > until) throw new Error(`It did not come true within ${withinMs} ms.`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
