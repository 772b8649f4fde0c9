/** What a worker process is told about the servers, by its environment. */
export interface Surroundings {
  readonly temporalAddress: string;
  readonly namespace: string;
  readonly databaseUrl: string;
  readonly baseURL: string;
  /** For caches of built workflow code. */
  readonly folder: string;
}

/** Activity, local activity and workflow task slots, for both sides. */
export const callsAtOnce = 200;

const variable = 'BELAYER_BENCH';

export const toEnvironment = (surroundings: Surroundings): Readonly<Record<string, string>> => ({
  [variable]: JSON.stringify(surroundings),
});

export function readSurroundings(): Surroundings {
  const text = process.env[variable];
  if (text === undefined) throw new Error(`${variable} is not set: run \`npm run bench\`.`);
  return JSON.parse(text) as Surroundings;
}
