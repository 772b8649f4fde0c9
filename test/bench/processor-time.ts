import { readdirSync, readFileSync } from 'node:fs';

/** What one tick of /proc/PID/stat is worth: 100 a second on every Linux that Node runs on. */
const msPerTick = 10;

/**
 * Processor time that a process, its living children and its finished ones have used, in milliseconds.
 * NaN where there is no /proc.
 */
export function processorMs(pid: number): number {
  const own = statOf(pid);
  if (own === undefined) return Number.NaN;
  let ticks = own.ticks + own.childTicks;
  for (const name of readdirSync('/proc')) {
    if (!/^\d+$/.test(name)) continue;
    const stat = statOf(Number(name));
    if (stat?.parent === pid) ticks += stat.ticks;
  }
  return ticks * msPerTick;
}

function statOf(
  pid: number,
): { readonly parent: number; readonly ticks: number; readonly childTicks: number } | undefined {
  let text: string;
  try {
    text = readFileSync(`/proc/${pid}/stat`, 'utf8');
  } catch {
    return undefined;
  }
  // The name, in brackets, may hold spaces and brackets of its own.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ');
  const field = (index: number): number => Number(fields[index - 3]);
  return { parent: field(4), ticks: field(14) + field(15), childTicks: field(16) + field(17) };
}
