/** What the environment says about this application. Where the servers are is Belayer's own to read. */
import { UsageError } from './options.ts';

type Environment = Readonly<Record<string, string | undefined>>;

/** The model of a key that came without one. */
const modelDefault = 'gpt-5-mini';

/** Undefined: no key and no endpoint, so the stand-in answers. */
export function chooseModel(environment: Environment): string | undefined {
  const { OPENAI_API_KEY: key, OPENAI_BASE_URL: endpoint, BELAYER_MODEL: model } = environment;
  if (!key && !endpoint) return undefined;
  if (model) return model;
  if (!endpoint) return modelDefault;
  throw new UsageError(
    'OPENAI_BASE_URL is set, but no model is named. Name one that this endpoint has: BELAYER_MODEL=llama3.2',
  );
}

export interface Smtp {
  readonly url: string | undefined;
  /** Sender of the replies. */
  readonly from: string;
  /** The server delivers a Message-ID once, however often it is sent. */
  readonly keepsIds: boolean;
}

export function readSmtp(environment: Environment): Smtp {
  const { SMTP_URL: url, SUPPORT_ADDRESS: from, SMTP_KEEPS_MESSAGE_IDS: keeps } = environment;
  if (url && !/^smtps?:\/\/[^/]/.test(url))
    throw new UsageError(
      'SMTP_URL must begin with smtp:// or smtps://, for example smtp://127.0.0.1:1025.',
    );
  return { url: url || undefined, from: from || 'support@crag.example', keepsIds: keeps === 'yes' };
}
