import { duration, moment } from './amounts.ts';
import type { FullCall } from './read-calls-in-full.ts';
import { attemptLine, editLines, refusedLine } from './run-text.ts';
import { indented, safeJson, safeLine, safeText } from './safe-text.ts';

/** A message as it stands in a prompt or in the transcript. Fields of it may be missing. */
interface Message {
  readonly role?: string;
  readonly content?: string | null;
  readonly refusal?: string;
  readonly tool_call_id?: string;
  readonly tool_calls?: readonly {
    readonly id?: string;
    readonly function?: { readonly name?: string; readonly arguments?: string };
  }[];
}

/** Calls with their content, for a person. */
export const callsText = (calls: readonly FullCall[]): string => calls.map(callText).join('\n\n');

function callText(call: FullCall): string {
  const messages = (call.prompt?.body as { readonly messages?: readonly Message[] } | undefined)
    ?.messages;
  return [
    `${call.position}  ${call.kind} call of ${safeLine(call.name)}  ${call.state}`,
    ...call.attempts.map(attemptLine),
    ...(call.prompt === undefined
      ? []
      : [
          `  prompt: ${call.prompt.bytes} bytes, SHA-256 ${Buffer.from(call.prompt.hash, 'base64url').toString('hex')} (as recorded)`,
        ]),
    ...(messages ?? []).map((message) => messageText(message)),
    ...(call.message === undefined
      ? []
      : [`  ${call.kind === 'model' ? 'reply' : 'result'}:`, messageText(call.message as Message)]),
    ...call.refused.map(refusedLine),
    ...call.requests.map(
      (request) =>
        `  ${request.position}: ${request.state}${request.closedBy === null ? `, until ${moment(request.deadline)} UTC` : ` by ${safeLine(request.closedBy)}`}${request.reason === null ? '' : `: ${safeLine(request.reason)}`}, asked ${duration(Date.now() - request.openedAt.getTime())} ago${editLines(request)}`,
    ),
  ].join('\n');
}

function messageText(message: Message): string {
  const lines = [`    [${safeLine(message.role ?? '?')}]`];
  if (typeof message.content === 'string') {
    const text = message.role === 'tool' ? safeJson(message.content) : safeText(message.content);
    lines.push(indented(text, '      '));
  }
  if (message.refusal !== undefined)
    lines.push(indented(`refused: ${safeText(message.refusal)}`, '      '));
  for (const call of message.tool_calls ?? [])
    lines.push(
      `      calls ${safeLine(call.function?.name ?? '?')}:`,
      indented(safeJson(call.function?.arguments ?? ''), '        '),
    );
  return lines.join('\n');
}
