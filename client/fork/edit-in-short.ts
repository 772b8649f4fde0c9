import { limits } from '../../contracts/limits.ts';
import { canonicalJson } from '../../rules/canonical-json.ts';
import type { ForkWish, GivenReply } from './check-fork.ts';

/** What a fork changes, for lists: nothing where it changes nothing. */
export function editInShort({ edit, models, limits: changed }: ForkWish): string | undefined {
  const { reply, result, arguments: given, message, instructions } = edit;
  const parts = [
    ...(reply === undefined ? [] : [`reply ${replyInShort(reply)}`]),
    ...(result === undefined ? [] : [`result ${cut(result)}`]),
    ...(given === undefined ? [] : [`arguments ${cut(given)}`]),
    ...(message === undefined ? [] : [`message ${cut(message)}`]),
    ...(instructions === undefined ? [] : [`instructions of ${instructions.length} characters`]),
    ...(models === undefined ? [] : [`model ${cut(models.join(', '))}`]),
    ...(Object.keys(changed).length === 0 ? [] : [`limits ${cut(changed)}`]),
  ];
  return parts.length === 0 ? undefined : parts.join('; ');
}

function replyInShort(reply: GivenReply): string {
  if (typeof reply === 'string') return cut(reply);
  const asked = reply.calls?.map(({ tool }) => tool).join(', ');
  return asked === undefined ? cut(reply.text ?? reply.output) : `asking for ${cut(asked)}`;
}

function cut(value: unknown): string {
  const text = typeof value === 'string' ? value : canonicalJson(value);
  return text.length <= limits.forkEditCharsMax
    ? text
    : `${text.slice(0, limits.forkEditCharsMax)}...`;
}
