/** Hosts: finds the Temporal and the PostgreSQL of a project, and supervises embedded ones where none is named. */
export { leaseServers, type Lease, type LeaseOptions } from './lease-servers.ts';
export { stopServers, type StopReport } from './stop-servers.ts';
export { startOwnServers, type OwnServers, type OwnServersOptions } from './own-servers.ts';
export { resolveTestServer } from './resolve-test-server.ts';
export {
  withoutPassword,
  type ServerAddresses,
  type ServerName,
  type TemporalAddress,
} from './server-addresses.ts';
export { doctor, type DoctorOptions, type DoctorReport } from './doctor.ts';
export { renderDoctor } from './render-doctor.ts';
export { serverLimits } from './server-limits.ts';
export type { DoctorFinding } from './doctor-findings.ts';
