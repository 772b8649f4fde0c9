import { belayerOn, type Belayer, connectParts } from '../connect.ts';
import type { Parts } from '../parts.ts';
import type { Terminal } from './terminal.ts';
import { whoActs } from '../who-acts.ts';

type Use<Result> = (connection: {
  readonly belayer: Belayer;
  readonly parts: Parts;
}) => Promise<Result>;

/** A connection for one command; it is closed behind it, whatever happens. */
export const withConnection = <Result>(terminal: Terminal, use: Use<Result>): Promise<Result> =>
  connected(terminal, use, 'both');

/** For a command that needs only what is on record, or says itself what it could not tell: Temporal may be away. */
export const withPostgres = <Result>(terminal: Terminal, use: Use<Result>): Promise<Result> =>
  connected(terminal, use, 'postgres');

async function connected<Result>(
  terminal: Terminal,
  use: Use<Result>,
  needs: 'both' | 'postgres',
): Promise<Result> {
  const parts = await connectParts(
    {
      environment: terminal.environment,
      by: whoActs(terminal.environment),
      log: (line) => terminal.note(line),
    },
    needs,
  );
  try {
    return await use({ belayer: belayerOn(parts), parts });
  } finally {
    await parts.close();
  }
}
