import type { ChatTool } from './chat-request.ts';

const readWords: ReadonlySet<string> = new Set([
  'get',
  'look',
  'lookup',
  'looks',
  'find',
  'finds',
  'search',
  'list',
  'lists',
  'read',
  'reads',
  'fetch',
  'show',
  'shows',
  'check',
  'checks',
  'query',
  'count',
  'describe',
  'view',
  'retrieve',
  'return',
  'returns',
  'recall',
  'tell',
  'tells',
  'track',
  'compute',
  'calculate',
  'gets',
  'searches',
  'fetches',
  'retrieves',
]);
const writeWords: ReadonlySet<string> = new Set([
  'add',
  'approve',
  'archive',
  'ask',
  'assign',
  'block',
  'book',
  'buy',
  'call',
  'cancel',
  'change',
  'charge',
  'close',
  'commit',
  'create',
  'delete',
  'deny',
  'deploy',
  'disable',
  'drop',
  'edit',
  'email',
  'enable',
  'escalate',
  'execute',
  'file',
  'forget',
  'forward',
  'grant',
  'insert',
  'invite',
  'issue',
  'label',
  'mail',
  'mark',
  'merge',
  'modify',
  'move',
  'notify',
  'open',
  'order',
  'pay',
  'place',
  'post',
  'publish',
  'purchase',
  'push',
  'put',
  'refund',
  'reject',
  'release',
  'remember',
  'remove',
  'rename',
  'reply',
  'reset',
  'restart',
  'revoke',
  'run',
  'save',
  'schedule',
  'sell',
  'send',
  'set',
  'ship',
  'start',
  'stop',
  'store',
  'submit',
  'transfer',
  'trigger',
  'unblock',
  'update',
  'upload',
  'withdraw',
  'write',
]);

/**
 * Whether a tool says of itself that it only reads: its description or its name begins with a verb of reading, and
 * no verb of changing stands where an order would. In doubt it is not: a stand-in must not act.
 */
export function isReadLike(tool: ChatTool): boolean {
  const { name, description = '' } = tool.function;
  const nameWords = name
    .replaceAll(/([a-z0-9])([A-Z])/gu, '$1 $2')
    .toLowerCase()
    .split(/[^a-z0-9]+/u);
  const orders = [
    ...description.toLowerCase().matchAll(/(?:^|[.;,:!]\s*|\b(?:and|or|then|to)\s+)([a-z]+)/gu),
  ].map((match) => match[1] ?? '');
  const [firstOfName = '', ...restOfName] = nameWords;
  const [firstOrder = ''] = orders;
  if (orders.some((word) => writeWords.has(word))) return false;
  // A name may be a noun that is a verb elsewhere (`order`): then the description must say that it reads.
  if (writeWords.has(firstOfName) && restOfName.length > 0) return false;
  if (writeWords.has(firstOfName)) return readWords.has(firstOrder);
  return readWords.has(firstOfName) || readWords.has(firstOrder);
}
