import { belayerOn, type Belayer, connectParts } from '../connect.ts';
import type { Parts } from '../parts.ts';
import type { Terminal } from './terminal.ts';
import { whoActs } from '../who-acts.ts';

/** A connection for one command; it is closed behind it, whatever happens. */
export async function withConnection<Result>(
  terminal: Terminal,
  use: (connection: { readonly belayer: Belayer; readonly parts: Parts }) => Promise<Result>,
): Promise<Result> {
  const parts = await connectParts({
    environment: terminal.environment,
    by: whoActs(terminal.environment),
    log: (line) => terminal.note(line),
  });
  try {
    return await use({ belayer: belayerOn(parts), parts });
  } finally {
    await parts.close();
  }
}
