/** Runs `work` on all items, some at a time, in order of their start. */
export async function atOnce<Item, Result>(
  items: readonly Item[],
  count: number,
  work: (item: Item) => Promise<Result>,
  stop: AbortSignal,
): Promise<readonly Result[]> {
  const results: Result[] = [];
  const waiting = items.values();
  const one = async (): Promise<void> => {
    for (const item of waiting) {
      if (stop.aborted) return;
      results.push(await work(item));
    }
  };
  await Promise.all(Array.from({ length: count }, one));
  return results;
}
