/** The `belayer` command as a user has it: its own process, a folder elsewhere, real servers, a scripted provider. */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { runProgram } from '../../client/commands/program.ts';
import { startOwnServers } from '../../servers/index.ts';
import { type Provider, startProvider } from '../../testing/provider/index.ts';
import { aTerminal } from './a-terminal.ts';

export interface CliWorld {
  readonly folder: string;
  readonly provider: Provider;
  /** In a process of its own, as a user's shell starts it. */
  belayer(...words: string[]): RunningCommand;
  /** The same command line in this process: what costs no start of Node. */
  ask(...words: string[]): Promise<EndedCommand>;
  stop(): Promise<void>;
}

export interface EndedCommand {
  readonly code: number | null;
  readonly out: string;
  readonly errors: string;
}

export interface RunningCommand extends Promise<EndedCommand> {
  /** Standard error so far. */
  readonly errors: () => string;
  readonly interrupt: () => void;
}

const root = fileURLToPath(new URL('../..', import.meta.url));
const prices = { 'test-model': { inputUsdPerMillion: 1, outputUsdPerMillion: 2 } };
const agentFile = `
import { defineAgent, defineTool } from 'belayer';
import { z } from 'zod';
const order = defineTool({
  name: 'order', description: 'Look an order up.', effect: 'read',
  input: z.object({ id: z.string() }), run: ({ id }: { id: string }) => ({ id, state: 'shipped' }),
});
const refund = defineTool({
  name: 'refund', description: 'Refund an order.', effect: 'write', repeat: 'keyed', keyValid: '24 hours',
  approval: 'always', input: z.object({ id: z.string() }), run: () => ({ refunded: true }),
});
export default defineAgent({ name: 'support', instructions: 'Answer about orders.', tools: [order, refund] });
`;

export async function createCliWorld(): Promise<CliWorld> {
  const folder = mkdtempSync(join(tmpdir(), 'belayer-cli-'));
  symlinkSync(join(root, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'agent.ts'), agentFile);
  writeFileSync(join(folder, 'prices.json'), JSON.stringify(prices));
  const [servers, provider] = await Promise.all([
    startOwnServers({ temporalInMemory: true, postgresSettings: { fsync: 'off' } }),
    startProvider(),
  ]);
  const children = new Set<ChildProcess>();
  const environment = {
    PATH: process.env['PATH'] ?? '',
    HOME: process.env['HOME'] ?? '',
    USER: 'ann',
    TEMPORAL_ADDRESS: servers.addresses.temporal.address,
    DATABASE_URL: servers.addresses.databaseUrl,
    OPENAI_BASE_URL: provider.baseURL,
    BELAYER_MODEL: 'test-model',
    BELAYER_PRICES: join(folder, 'prices.json'),
    // Its bundle cache is shared by all tests.
    BELAYER_DATA: join(tmpdir(), 'belayer-test-bundles'),
  };
  return {
    folder,
    provider,
    belayer(...words) {
      const child = spawn(process.execPath, [join(root, 'client', 'belayer.mjs'), ...words], {
        cwd: folder,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: environment,
      });
      children.add(child);
      let out = '';
      let errors = '';
      child.stdout.on('data', (part: Buffer) => (out += part.toString()));
      child.stderr.on('data', (part: Buffer) => (errors += part.toString()));
      const ended = new Promise<EndedCommand>((resolve) =>
        child.once('close', (code) => {
          children.delete(child);
          resolve({ code, out, errors });
        }),
      );
      return Object.assign(ended, {
        errors: () => errors,
        interrupt: () => void child.kill('SIGINT'),
      });
    },
    async ask(...words) {
      const terminal = aTerminal({ folder, environment });
      const code = await runProgram(words, terminal);
      return { code, out: terminal.output(), errors: terminal.errors() };
    },
    async stop() {
      for (const child of children) child.kill('SIGKILL');
      await provider.stop();
      await servers.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Waits until a text matches. */
export async function until(text: () => string, pattern: RegExp): Promise<RegExpExecArray> {
  for (let waitedMs = 0; waitedMs < 30_000; waitedMs += 50) {
    const found = pattern.exec(text());
    if (found !== null) return found;
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
  throw new Error(`${pattern} did not come. What came: ${text()}`);
}
