import type { AnyAgent, App } from '../../definitions/internal.ts';
import { WrongUsage } from './exit-codes.ts';

/** The agent that is meant: the named one, or the only one that the application lists. */
export function chooseAgent(app: App, named: string | undefined): AnyAgent {
  const names = app.agents.map(({ name }) => name);
  if (named !== undefined) {
    const found = app.agents.find(({ name }) => name === named);
    if (found !== undefined) return found;
    throw new WrongUsage(
      `The application has no agent \`${named}\`. It has ${names.map((name) => `\`${name}\``).join(', ')}.`,
    );
  }
  const [only, ...others] = app.listed;
  if (only !== undefined && others.length === 0) return only;
  throw new WrongUsage(
    `The application has ${app.listed.length} agents: say which with --agent NAME. It has ${names.map((name) => `\`${name}\``).join(', ')}.`,
  );
}
