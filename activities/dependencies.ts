import type { AnyAgent } from '../definitions/internal.ts';
import type { Build, Routing } from '../contracts/deployments.ts';
import type { Database } from '../storage/database.ts';
import type { StoredDefinition } from '../storage/definitions.ts';
import type { Ledger } from '../storage/ledger.ts';
import type { CallCache } from './call-cache.ts';
import type { InFlight } from './in-flight.ts';
import type { ModelClient } from './models/model-client.ts';
import type { Price } from './models/prices.ts';
import type { ProviderRates } from './provider-rates.ts';
import type { ToolBreakers } from './tool-breakers.ts';
import type { TranscriptCache } from './transcript-cache.ts';

export interface Log {
  debug(message: string, fields?: Readonly<Record<string, unknown>>): void;
  info(message: string, fields?: Readonly<Record<string, unknown>>): void;
  warn(message: string, fields?: Readonly<Record<string, unknown>>): void;
  error(message: string, fields?: Readonly<Record<string, unknown>>): void;
}

/** The build that a worker belongs to, where it is one of a deployment. */
export interface OwnBuild extends Build {
  /** Where starts go now. Throws where Temporal does not answer. */
  readonly routing: () => Promise<Routing>;
}

/** What activities stand on. Built once per worker; tests build it with other parts. */
export interface ActivityDependencies {
  readonly database: Database;
  readonly ledger: Ledger;
  readonly models: ModelClient;
  /** The price of this moment. */
  readonly priceOf: (model: string) => Price | undefined;
  /** The application's agents, by name: their functions. */
  readonly agents: ReadonlyMap<string, AnyAgent>;
  /** A definition by hash, from memory or the database. */
  readonly definitionOf: (hash: string) => Promise<StoredDefinition>;
  readonly transcripts: TranscriptCache;
  readonly inFlight: InFlight;
  readonly breakers: ToolBreakers;
  readonly cache: CallCache;
  readonly providers: ProviderRates;
  /** Absent: a worker without a deployment. */
  readonly build?: OwnBuild;
  /** Names this process in claims and journals: `pid@host-random`. */
  readonly worker: string;
  readonly log: Log;
  /** Secrets that tools may ask for by name. */
  readonly secrets: (name: string) => string | undefined;
}
