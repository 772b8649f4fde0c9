import { BelayerError, failureType } from '../contracts/failures.ts';
import { isAgent } from './define-agent.ts';
import { defineApp, isApp, type App } from './define-app.ts';
import { isTool } from './define-tool.ts';
import { show } from './show.ts';

/**
 * The application that somebody meant: an app, one agent, or a module with either as its default
 * export.
 *
 * @throws BelayerError `DefinitionRejected` that says what was found instead.
 */
export function asApp(value: unknown): App {
  const found = defaultExportOf(value);
  if (isApp(found)) return found;
  if (isAgent(found)) return defineApp({ agents: [found] });
  throw new BelayerError(
    failureType.definitionRejected,
    `An application is defineApp({ agents: [...] }) or one agent, as the default export of its file; ${whatIs(found)}`,
  );
}

/** A CommonJS module that was loaded as ESM has its default export one level deeper. */
function defaultExportOf(value: unknown): unknown {
  let found = value;
  for (let level = 0; level < 2; level += 1) {
    if (isApp(found) || isAgent(found)) return found;
    if (typeof found !== 'object' || found === null || !('default' in found)) return found;
    found = found.default;
  }
  return found;
}

function whatIs(value: unknown): string {
  if (isTool(value)) return `the tool \`${value.name}\` was found.`;
  if (Array.isArray(value)) return 'a list was found: wrap it as defineApp({ agents: [...] }).';
  if (typeof value !== 'object' || value === null) return `${show(value)} was found.`;
  const names = Object.entries(value).flatMap(([name, part]) =>
    isApp(part) || isAgent(part) ? [name] : [],
  );
  const [first] = names;
  if (first !== undefined) {
    return `its named exports were found (${names.join(', ')}): add \`export default ${first}\`.`;
  }
  const keys = Object.keys(value);
  return keys.length === 0
    ? 'an empty module was found.'
    : `an object with ${keys.slice(0, 10).join(', ')} was found.`;
}
