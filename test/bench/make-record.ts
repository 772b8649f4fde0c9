/** What the tool of the benchmark gives: text that compresses about as well as business records do. */
const words =
  'account amount balance booked customer date delivery due invoice item net order paid period rate reference shipped state tax total'.split(
    ' ',
  );
const poolBytes = 1024 * 1024;

/** Made once and cut from then on, so that the tool itself costs next to nothing. */
const pool = makePool();

/** Another text for every number, the same one each time. ASCII, nothing that JSON must escape. */
export function makeRecord(number: number, bytes: number): string {
  const from = (Math.imul(number + 1, 0x9e37_79b1) >>> 0) % (poolBytes - bytes);
  return pool.slice(from, from + bytes);
}

function makePool(): string {
  const parts: string[] = [];
  let size = 0;
  let seed = 20_261_101;
  const next = (): number => {
    seed = (Math.imul(seed, 1_664_525) + 1_013_904_223) >>> 0;
    return seed >>> 8;
  };
  while (size < poolBytes) {
    const part = `${words[next() % words.length] ?? ''}=${next().toString(36)}${(next() % 1000).toString(10)}; `;
    parts.push(part);
    size += part.length;
  }
  return parts.join('').slice(0, poolBytes);
}
