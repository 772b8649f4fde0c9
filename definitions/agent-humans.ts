import type { EscalationCause } from '../contracts/definitions.ts';
import { limits } from '../contracts/limits.ts';
import type { AgentData } from './agent.ts';
import { readAskField } from './ask-policy.ts';
import { type FieldReader, quoted } from './field-reader.ts';
import { checkKeys } from './known-keys.ts';
import type { Mistakes } from './mistakes.ts';
import { show } from './show.ts';

const causes: readonly EscalationCause[] = ['budget', 'model', 'output', 'refusal'];

type Humans = Pick<AgentData, 'ask' | 'escalate' | 'session'>;

/** Which humans are asked, about what instead of ending the run, and whether a caller may write again. */
export function readHumans(
  fields: Readonly<Record<string, unknown>>,
  read: FieldReader,
  mistakes: Mistakes,
): Humans {
  const ask = readAskField(fields['ask'], read, mistakes);
  const escalate = readEscalate(fields['escalate'], mistakes);
  const session = readSession(fields['session'], read, mistakes);
  if (session !== undefined && fields['input'] !== undefined) {
    mistakes.add(
      '`session`: its messages are text, so that an agent with a session has no `input` schema',
    );
  }
  return {
    ...(ask === undefined ? {} : { ask }),
    ...(escalate === undefined ? {} : { escalate }),
    ...(session === undefined ? {} : { session }),
  };
}

function readEscalate(value: unknown, mistakes: Mistakes): Humans['escalate'] {
  if (value === undefined) return undefined;
  if (!Array.isArray(value) || value.length === 0) {
    mistakes.add(
      `\`escalate\` must be a list of at least one of ${quoted(causes)}; ${show(value)} is not`,
    );
    return undefined;
  }
  for (const [index, cause] of (value as unknown[]).entries()) {
    if (!causes.includes(cause as EscalationCause)) {
      mistakes.add(`\`escalate\`: ${show(cause)} is none of ${quoted(causes)}`);
    } else if (value.indexOf(cause) !== index) {
      mistakes.add(`\`escalate\`: ${show(cause)} is named twice`);
    }
  }
  return Object.freeze([...(value as EscalationCause[])]);
}

function readSession(value: unknown, read: FieldReader, mistakes: Mistakes): Humans['session'] {
  if (value === undefined) return undefined;
  const isWrong = value !== true && (typeof value !== 'object' || value === null);
  if (isWrong || Array.isArray(value)) {
    mistakes.add(`\`session\` must be true or { idle?, whileWorking? }; ${show(value)} is not`);
    return undefined;
  }
  const fields = value === true ? {} : read.object('session', value);
  checkKeys(fields, { where: 'session.', known: ['idle', 'whileWorking'] }, mistakes);
  const { idle, whileWorking } = fields as Readonly<Record<string, unknown>>;
  return {
    idleMs: read.duration('session.idle', idle, 'sessionIdleMsMax') ?? limits.sessionIdleMsDefault,
    whileWorking:
      read.oneOf('session.whileWorking', whileWorking, ['queue', 'steer', 'interrupt']) ?? 'queue',
  };
}
