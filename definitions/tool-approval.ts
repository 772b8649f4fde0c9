import { limits } from '../contracts/limits.ts';
import { askKeys, readAsk, readAskField } from './ask-policy.ts';
import type { FieldReader } from './field-reader.ts';
import { checkKeys } from './known-keys.ts';
import type { Mistakes } from './mistakes.ts';
import { show } from './show.ts';
import type { Tool, ToolData } from './tool.ts';

export interface ReadApproval {
  readonly kind: Tool['approval'];
  readonly asks: (input: unknown) => boolean;
  readonly data: Pick<ToolData, 'approvalDeadlineMs' | 'ownApprovalDeadline' | 'ask'>;
}

/** Whether a human is asked before a call, which humans, and for how long. */
export function readApproval(
  { approval: value, ask }: Readonly<Record<string, unknown>>,
  read: FieldReader,
  mistakes: Mistakes,
): ReadApproval {
  const general = readAskField(ask, read, mistakes);
  if (value === undefined)
    return {
      kind: 'never',
      asks: () => false,
      data: general === undefined ? {} : { ask: general },
    };
  const isLong = typeof value === 'object' && value !== null;
  const fields: Readonly<Record<string, unknown>> = isLong
    ? read.object('approval', value)
    : { when: value };
  checkKeys(fields, { where: 'approval.', known: ['when', ...askKeys] }, mistakes);
  const own = readAsk('approval.', fields, read, mistakes);
  if (general !== undefined && askKeys.some((key) => fields[key] !== undefined)) {
    mistakes.add(
      '`approval` and `ask` both say how humans are asked; keep `when` in `approval`, and the rest in `ask`',
    );
  }
  const saysMore = Object.keys(own).some((key) => key !== 'deadlineMs');
  const declared = general ?? (saysMore ? own : undefined);
  const data: ReadApproval['data'] = {
    ...(own.deadlineMs === undefined ? {} : { ownApprovalDeadline: true }),
    ...(declared === undefined ? {} : { ask: declared }),
    approvalDeadlineMs: own.deadlineMs ?? general?.deadlineMs ?? limits.approvalDeadlineMsDefault,
  };
  const { when } = fields;
  if (typeof when === 'function')
    return { kind: 'function', asks: when as (input: unknown) => boolean, data };
  if (when !== 'always') {
    mistakes.add(
      `\`approval${isLong ? '.when' : ''}\` must be 'always' or a function of the input; ${show(when)} is not`,
    );
  }
  return { kind: 'always', asks: () => true, data };
}
