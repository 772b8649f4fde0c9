import { limits } from '../contracts/limits.ts';
import type { FieldReader } from './field-reader.ts';
import { checkKeys } from './known-keys.ts';
import type { Mistakes } from './mistakes.ts';
import { show } from './show.ts';
import type { Tool } from './tool.ts';

export interface ReadApproval {
  readonly kind: Tool['approval'];
  readonly deadlineMs?: number;
  readonly asks: (input: unknown) => boolean;
}

/** Whom `approval` asks, when, and for how long. */
export function readApproval(value: unknown, read: FieldReader, mistakes: Mistakes): ReadApproval {
  if (value === undefined) return { kind: 'never', asks: () => false };
  const isLong = typeof value === 'object' && value !== null;
  const fields = isLong ? read.object('approval', value) : { when: value };
  checkKeys(fields, { where: 'approval.', known: ['when', 'deadline'] }, mistakes);
  const { when } = fields as { when?: unknown };
  const deadlineMs =
    read.duration(
      'approval.deadline',
      (fields as { deadline?: unknown }).deadline,
      'approvalDeadlineMsMax',
    ) ?? limits.approvalDeadlineMsDefault;
  if (typeof when === 'function') {
    return { kind: 'function', deadlineMs, asks: when as (input: unknown) => boolean };
  }
  if (when !== 'always') {
    mistakes.add(
      `\`approval${isLong ? '.when' : ''}\` must be 'always' or a function of the input; ${show(when)} is not`,
    );
  }
  return { kind: 'always', deadlineMs, asks: () => true };
}
