import { BelayerError, failureType } from '../contracts/failures.ts';
import { checkDatabase, checkTemporal } from './external-servers.ts';
import { joinSupervisor, type JoinOptions, type Joined } from './join-supervisor.ts';
import type { ServerAddresses, ServerName } from './server-addresses.ts';
import { serverLimits } from './server-limits.ts';
import { sleep } from './stop-process.ts';
import { supervisorPlaces } from './supervisor-places.ts';
import type { EmbeddedAddresses } from './supervisor-protocol.ts';

export interface LeaseOptions {
  /** Where embedded servers keep their data, for example `<project>/.belayer`. */
  readonly dataFolder: string;
  /** host:port of a Temporal server that runs; default `TEMPORAL_ADDRESS`. Neither: embedded. */
  readonly temporalAddress?: string;
  /** Default `TEMPORAL_NAMESPACE`, else `default`. An embedded server makes it when it is missing. */
  readonly temporalNamespace?: string;
  /** URL of a PostgreSQL that runs; default `DATABASE_URL`. Neither: embedded. */
  readonly databaseUrl?: string;
  /** False where the caller checks a given Temporal address itself, with TLS or an API key that this room does not know. Default true. */
  readonly checkTemporal?: boolean;
  /** How long embedded servers outlive the last lease, if this call starts their supervisor. Default 30 s. */
  readonly graceMs?: number;
  /** One line for a person, when something takes long or changes. */
  readonly log?: (line: string) => void;
  readonly signal?: AbortSignal;
}

/** Keeps the embedded servers up while it is held. Does not keep this process alive. */
export interface Lease {
  readonly addresses: ServerAddresses;
  /** Lets go. The servers stop `graceMs` after the last lease; a process that dies lets go too. */
  release(): Promise<void>;
}

/**
 * Uses the servers that were named, and starts or joins the embedded ones for whichever was not.
 *
 * An embedded server that dies comes back on the same port; a supervisor that dies is replaced by
 * the first lease that notices. Both take about a second in which connections fail.
 * @throws ServerUnreachable  A named server does not answer within `reachMsMax`, or the supervisor hangs: nothing heard for `silenceMsMax`.
 * @throws ServerMissing      An embedded server cannot be found or started; the message says what to do.
 * @throws SettingsRejected   A setting, `temporal-dev.yml` or the data folder does not fit.
 */
export async function leaseServers(options: LeaseOptions): Promise<Lease> {
  const log = options.log ?? (() => {});
  const temporalAddress = options.temporalAddress ?? fromEnvironment('TEMPORAL_ADDRESS');
  const namespace = options.temporalNamespace ?? fromEnvironment('TEMPORAL_NAMESPACE');
  const databaseUrl = options.databaseUrl ?? fromEnvironment('DATABASE_URL');
  await Promise.all([
    temporalAddress === undefined || options.checkTemporal === false
      ? undefined
      : checkTemporal(temporalAddress, namespace ?? 'default'),
    databaseUrl === undefined ? undefined : checkDatabase(databaseUrl),
  ]);
  const want: ServerName[] = [
    ...(temporalAddress === undefined ? (['temporal'] as const) : []),
    ...(databaseUrl === undefined ? (['postgres'] as const) : []),
  ];
  const given = {
    ...(temporalAddress === undefined
      ? {}
      : { temporal: { address: temporalAddress, namespace: namespace ?? 'default' } }),
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
  };
  if (want.length === 0) return { addresses: together({}, given), release: async () => {} };
  const held = await holdLease({
    places: supervisorPlaces(options.dataFolder),
    want,
    log,
    ...(namespace === undefined || temporalAddress !== undefined ? {} : { namespace }),
    ...(options.graceMs === undefined ? {} : { graceMs: options.graceMs }),
    ...(options.signal === undefined ? {} : { signal: options.signal }),
  });
  return { addresses: together(held.addresses, given), release: () => held.release() };
}

/** A lease that survives the death of its supervisor: it joins the next one, or starts it. */
async function holdLease(
  options: JoinOptions,
): Promise<{ addresses: EmbeddedAddresses; release(): Promise<void> }> {
  const first = await joinSupervisor(options);
  let current: Joined = first;
  let released = false;
  const { signal: _onlyForTheStart, ...again } = options;
  const follow = async (): Promise<void> => {
    for (let lost = 0; !released;) {
      // A forgotten release must not keep a finished program running.
      current.socket.unref();
      const heldFrom = Date.now();
      const stopping = await current.ended;
      if (released) return;
      if (stopping !== undefined)
        return options.log(
          `The embedded servers of ${options.places.dataFolder} were stopped: ${stopping}.`,
        );
      lost = Date.now() - heldFrom > serverLimits.healthyAfterMs ? 1 : lost + 1;
      if (lost > serverLimits.supervisorSpawnsMax)
        return options.log(
          `The supervisor of ${options.places.dataFolder} died ${lost} times in a row; its servers are no longer watched. See ${options.places.log}.`,
        );
      options.log('The supervisor of the embedded servers is gone; starting another.');
      await sleep(serverLimits.supervisorConnectMs);
      try {
        current = await joinSupervisor(again);
      } catch (error) {
        return options.log(String((error as Error).message));
      }
      if (released) current.socket.destroy();
      else if (JSON.stringify(current.addresses) !== JSON.stringify(first.addresses)) {
        options.log(
          'The embedded servers moved to other ports, because theirs were taken. Start this program again.',
        );
      }
    }
  };
  void follow();
  return {
    addresses: first.addresses,
    release: async () => {
      if (released) return;
      released = true;
      current.socket.ref();
      current.socket.end();
      await Promise.race([current.ended, sleep(serverLimits.killMsMax)]);
      current.socket.destroy();
    },
  };
}

function together(embedded: EmbeddedAddresses, given: EmbeddedAddresses): ServerAddresses {
  const temporal = given.temporal ?? embedded.temporal;
  const databaseUrl = given.databaseUrl ?? embedded.databaseUrl;
  if (temporal === undefined || databaseUrl === undefined) {
    throw new BelayerError(
      failureType.serverMissing,
      'The supervisor answered without the address of a server it was asked for. Run `belayer servers stop`, then try again.',
    );
  }
  return {
    temporal: { ...temporal, embedded: given.temporal === undefined },
    databaseUrl,
    databaseEmbedded: given.databaseUrl === undefined,
  };
}

/** An empty setting is no setting: `TEMPORAL_ADDRESS= belayer dev` asks for the embedded server. */
export function fromEnvironment(
  name: string,
  env: NodeJS.ProcessEnv = process.env,
): string | undefined {
  return env[name] === '' ? undefined : env[name];
}
