/** The two servers Belayer stands on. */
export type ServerName = 'temporal' | 'postgres';

export interface TemporalAddress {
  /** host:port of the gRPC frontend. */
  readonly address: string;
  readonly namespace: string;
  /** Temporal's own web page; known only of the embedded server. */
  readonly uiUrl?: string;
  readonly embedded: boolean;
}

/** Where the servers of this project are. `databaseUrl` holds a password: do not print it, see `withoutPassword`. */
export interface ServerAddresses {
  readonly temporal: TemporalAddress;
  readonly databaseUrl: string;
  readonly databaseEmbedded: boolean;
}

/** The same URL, fit for a screen or a log. A text that is no URL is not shown at all, since it may be a password. */
export function withoutPassword(databaseUrl: string): string {
  try {
    const url = new URL(databaseUrl);
    if (url.password !== '') url.password = '***';
    const secrets = [...url.searchParams.keys()].filter((name) =>
      /password|secret|key/i.test(name),
    );
    for (const name of secrets) url.searchParams.set(name, '***');
    return url.toString();
  } catch {
    return '(not a URL)';
  }
}
