import { join } from 'node:path';
import type { DevServerSettings } from './dev-server-settings.ts';

export interface DevServerPlace {
  readonly port: number;
  /** Absent: no web page. */
  readonly uiPort?: number;
  /** The folder of the database file; absent: everything is kept in memory and lost at the end. */
  readonly folder?: string;
  /** Values over those of the file, by key. */
  readonly dynamicConfig?: Readonly<Record<string, unknown>>;
}

/** The words after `temporal` that start the dev server with these settings. */
export function devServerFlags(settings: DevServerSettings, place: DevServerPlace): string[] {
  const dynamicConfig: Record<string, unknown> = {};
  for (const [key, entries] of Object.entries(settings.dynamicConfig))
    dynamicConfig[key] = entries[0]?.value;
  Object.assign(dynamicConfig, place.dynamicConfig);
  return [
    'server',
    'start-dev',
    // Only programs of this machine may connect: the dev server asks nobody for a password.
    '--ip',
    '127.0.0.1',
    '--port',
    String(place.port),
    ...(place.uiPort === undefined ? ['--headless'] : ['--ui-port', String(place.uiPort)]),
    '--log-level',
    settings.logLevel,
    '--namespace',
    settings.namespace,
    ...(place.folder === undefined
      ? []
      : ['--db-filename', join(place.folder, settings.databaseFile)]),
    ...(place.folder === undefined ? [] : pairs('--sqlite-pragma', settings.sqlitePragmas, String)),
    ...pairs('--search-attribute', settings.searchAttributes, String),
    ...pairs('--dynamic-config-value', dynamicConfig, (value) => JSON.stringify(value)),
  ];
}

function pairs<Value>(
  flag: string,
  values: Readonly<Record<string, Value>>,
  toText: (value: Value) => string,
): string[] {
  return Object.entries(values).flatMap(([key, value]) => [flag, `${key}=${toText(value)}`]);
}
