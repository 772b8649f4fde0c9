/** How humans are asked: what a definition says of it, and what a run then goes by. */
import type { AskPolicy } from '../contracts/definitions.ts';
import { limits } from '../contracts/limits.ts';
import type { FieldReader } from './field-reader.ts';
import { checkKeys } from './known-keys.ts';
import type { Mistakes } from './mistakes.ts';
import { readNames } from './read-names.ts';
import { show } from './show.ts';
import type { DeclaredAsk } from './tool.ts';

/** The keys of an `Ask`. */
export const askKeys = ['deadline', 'deciders', 'escalateTo', 'recordedOnly'] as const;

/** @param where prefix of the keys in messages: `ask.`, `approval.`, or nothing. */
export function readAsk(
  where: string,
  fields: Readonly<Record<string, unknown>>,
  read: FieldReader,
  mistakes: Mistakes,
): DeclaredAsk {
  const deciders = (name: string, value: unknown): readonly string[] | undefined =>
    readNames(name, value, { max: 'decidersMax', chars: 'decidedByCharsMax' }, mistakes);
  const deadlineMs = read.duration(`${where}deadline`, fields['deadline'], 'approvalDeadlineMsMax');
  const own = deciders(`${where}deciders`, fields['deciders']);
  const recordedOnly = fields['recordedOnly'];
  if (recordedOnly !== undefined && recordedOnly !== true) {
    mistakes.add(
      `\`${where}recordedOnly\` can only be true; ${show(recordedOnly)} is not: leave it out`,
    );
  }
  const above = read.object(`${where}escalateTo`, fields['escalateTo']);
  checkKeys(above, { where: `${where}escalateTo.`, known: ['deciders', 'deadline'] }, mistakes);
  const aboveMs = read.duration(
    `${where}escalateTo.deadline`,
    above['deadline'],
    'approvalDeadlineMsMax',
  );
  const aboveDeciders = deciders(`${where}escalateTo.deciders`, above['deciders']);
  return {
    ...(deadlineMs === undefined ? {} : { deadlineMs }),
    ...(own === undefined ? {} : { deciders: own }),
    ...(fields['escalateTo'] === undefined
      ? {}
      : {
          escalation: {
            ...(aboveMs === undefined ? {} : { deadlineMs: aboveMs }),
            ...(aboveDeciders === undefined ? {} : { deciders: aboveDeciders }),
          },
        }),
    ...(recordedOnly === true ? { recordedOnly } : {}),
  };
}

/** The field `ask` of a tool or an agent. */
export function readAskField(
  value: unknown,
  read: FieldReader,
  mistakes: Mistakes,
): DeclaredAsk | undefined {
  if (value === undefined) return undefined;
  const fields = read.object('ask', value);
  checkKeys(fields, { where: 'ask.', known: askKeys }, mistakes);
  return readAsk('ask.', fields, read, mistakes);
}

/**
 * Field by field: the tool's own, then the agent's, then the defaults. So a tool that only has
 * another deadline keeps the agent's deciders.
 */
export function toAskPolicy(...declared: readonly (DeclaredAsk | undefined)[]): AskPolicy {
  const merged = declared.reduceRight<DeclaredAsk>((under, own) => ({ ...under, ...own }), {});
  const { deadlineMs = limits.approvalDeadlineMsDefault, deciders, escalation } = merged;
  return {
    deadlineMs,
    ...(deciders === undefined ? {} : { deciders }),
    ...(escalation === undefined
      ? {}
      : { escalation: { deadlineMs: escalation.deadlineMs ?? deadlineMs, ...escalation } }),
    ...(merged.recordedOnly === undefined ? {} : { recordedOnly: merged.recordedOnly }),
  };
}
