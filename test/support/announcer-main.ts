/** An announcer in a process of its own, so that a test can kill it: DATABASE_URL, URL, SECRET, LEASE_MS. */
import { openDatabase } from '../../storage/database.ts';
import { startAnnouncer } from '../../workers/announcer.ts';
import { createLog } from '../../workers/log.ts';

const given = (name: string): string => process.env[name] ?? '';
startAnnouncer(
  openDatabase({ url: given('DATABASE_URL') }),
  { webhook: { url: given('URL'), secret: given('SECRET') } },
  createLog('error'),
  { leaseMs: Number(given('LEASE_MS')) },
);
