/** Results of reruns in a file: one JSON object a line, by run, the same bytes for the same results. */
import { readFileSync, renameSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import type { RerunResult } from '../../testing/rerun/rerun-result.ts';
import { WrongUsage } from './exit-codes.ts';
import type { Terminal } from './terminal.ts';

/** A result and those of its sub-agents' runs, each on its own. */
export function flatResults({ subAgents = [], ...own }: RerunResult): readonly RerunResult[] {
  return [own, ...subAgents.flatMap(flatResults)];
}

export const byRun = (results: readonly RerunResult[]): readonly RerunResult[] =>
  results.toSorted((left, right) => (left.run < right.run ? -1 : left.run > right.run ? 1 : 0));

/** Beside its place first: a file of that name is whole, or it is not there. */
export function writeResults(
  terminal: Terminal,
  out: string,
  results: readonly RerunResult[],
): void {
  const path = resolve(terminal.folder, out);
  try {
    const lines = byRun(results).map((result) => `${JSON.stringify(result)}\n`);
    writeFileSync(`${path}.${process.pid}.part`, lines.join(''));
    renameSync(`${path}.${process.pid}.part`, path);
  } catch (error) {
    throw new WrongUsage(`${path} cannot be written: ${(error as Error).message}`);
  }
}

export function readResults(terminal: Terminal, file: string): ReadonlyMap<string, RerunResult> {
  const path = resolve(terminal.folder, file);
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    throw new WrongUsage(`${path} cannot be read: ${(error as Error).message}`);
  }
  const results = new Map<string, RerunResult>();
  for (const [index, line] of text.split('\n').entries()) {
    if (line === '') continue;
    const result = parseResult(line);
    if (result === undefined)
      throw new WrongUsage(
        `Line ${index + 1} of ${path} is no result that \`belayer rerun --out\` writes.`,
      );
    results.set(result.run, result);
  }
  return results;
}

function parseResult(line: string): RerunResult | undefined {
  try {
    const value = JSON.parse(line) as Partial<RerunResult> | null;
    const isResult =
      typeof value?.run === 'string' &&
      typeof value.verdict === 'string' &&
      typeof value.cost?.afterMicroUsd === 'number' &&
      typeof value.outcome === 'object' &&
      typeof value.output === 'object';
    return isResult ? (value as RerunResult) : undefined;
  } catch {
    return undefined;
  }
}
