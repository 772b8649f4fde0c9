/** What the program says of itself before the first mail: what is real, what stands in, what goes wrong. */
import { sampleTroubles } from './payment-service.ts';
import { table } from './progress.ts';
import { deniedAboveUsd, waitsMs } from './unattended.ts';

export interface Opening {
  readonly inbox: string;
  /** Undefined: the stand-in. */
  readonly model: string | undefined;
  readonly servers: {
    readonly temporal: { readonly address: string; readonly embedded: boolean };
    readonly databaseEmbedded: boolean;
  };
  /** Undefined: a mail server of the user's own. */
  readonly outbox: string | undefined;
  readonly payments: string;
  readonly hasTerminal: boolean;
}

export function opening(about: Opening): string {
  const { inbox, model, outbox, payments, hasTerminal } = about;
  const { temporal, databaseEmbedded } = about.servers;
  const { hangsUpOn, slowOn, slowMs } = sampleTroubles;
  return `${table([
    ['mails', inbox],
    [
      'model',
      model ??
        'the stand-in, a program of rules; OPENAI_API_KEY or OPENAI_BASE_URL gives a real one',
    ],
    [
      'servers',
      `Temporal ${temporal.address}${temporal.embedded ? ' (embedded)' : ''}, PostgreSQL${databaseEmbedded ? ' (embedded)' : ' of DATABASE_URL'}`,
    ],
    [
      'replies',
      outbox === undefined ? 'go out by SMTP_URL' : `are kept in ${outbox}; SMTP_URL sends them`,
    ],
    [
      'payments',
      `${payments}, made to hang up on ${hangsUpOn.join(', ')} once the money moved, and to take ${slowMs / 1_000} s for ${slowOn.join(', ')}`,
    ],
    [
      'approvals',
      hasTerminal
        ? 'refunds above 50 USD are asked about here'
        : `no terminal: refunds above ${deniedAboveUsd} USD are denied; above 50, \`npx belayer approve\` has ${waitsMs / 60_000} minutes`,
    ],
  ])}\n`;
}
