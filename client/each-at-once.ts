/**
 * Uses every item, at most `atOnceMax` at the same time. After one that fails no other is begun; those
 * in use are waited for, and the first failure is thrown.
 */
export async function eachAtOnce<Item>(
  items: readonly Item[],
  atOnceMax: number,
  use: (item: Item) => Promise<void>,
): Promise<void> {
  const left = [...items];
  const oneByOne = async (): Promise<void> => {
    try {
      for (let next = left.shift(); next !== undefined; next = left.shift()) await use(next);
    } catch (error) {
      left.length = 0;
      throw error;
    }
  };
  const ends = await Promise.allSettled(Array.from({ length: atOnceMax }, oneByOne));
  for (const end of ends) if (end.status === 'rejected') throw end.reason;
}
