/**
 * What the stand-in model decides: plain rules on the mail and on what the tools said so far.
 *
 * It is no language model and does not pretend to be one. It believes what a mail says, orders to
 * itself included, as models sometimes do: what holds then is what the tools allow.
 */
import type { Conversation, Reply, ScriptedToolCall } from 'belayer/testing';
import type { MailInput } from './mail.ts';
import {
  amountIn,
  amountOf,
  errorOf,
  made,
  orderIds,
  ordersFound,
  type OrderSeen,
  readMail,
  refundsTried,
  stoppedBy,
} from './stand-in-sight.ts';
import { languageOf, wordsOf, type Words } from './stand-in-words.ts';

const matter = {
  grave:
    /\b(lawyers?|attorneys?|legal action|sue|court|injur\w*|hospital|police|fraud|scandal|anwalt|gericht|verletz\w*|krankenhaus|abogad[oa]|herid[oa]|avocat|blessée?)\b/iu,
  refund:
    /refund|money back|reimburse|chargeback|erstatt|geld zur(ü|ue)ck|kaufpreis|reembols|devoluci|devolver|rembours|rimbors/iu,
  stop: /\b(please stop|call (it|this) off|never ?mind)\b/iu,
  where:
    /\bwhere\b|status|arriv|deliver|track|shipp|\bwo (ist|bleibt)\b|liefer|sendung|d[oó]nde|env[ií]o|entrega|llegad|livraison|colis/iu,
};

/** Undefined: the conversation is not about a mail, and the general rules of the stand-in answer. */
export function supportRules(conversation: Conversation): Reply | undefined {
  const mail = readMail(conversation.firstUserText);
  if (mail === undefined) return undefined;
  if (mail.automatic)
    return end('nothing', 'A machine wrote this mail; nobody waits for an answer.');
  const said = `${mail.subject}\n${mail.text}`;
  const words = wordsOf(languageOf(said));
  const ids = orderIds(said);
  if (matter.stop.test(said)) return callOff(conversation, mail, words);

  if (conversation.exchanges.length === 0)
    return ids.length === 0
      ? call('orders_of_customer', {})
      : calls(ids.map((orderId) => ({ name: 'find_order', arguments: { orderId } })));

  const asksRefund = matter.refund.test(said);
  const tried = refundsTried(conversation);
  if (asksRefund && tried.length === 0 && !matter.grave.test(said)) {
    const wanted = refundsWanted(conversation, said, ids);
    if (wanted.length > 0) return calls(wanted);
  }
  return settle(conversation, { mail, said, words, asksRefund });
}

/** First it is stopped, then it is looked up what had been paid back, and told. */
function callOff(conversation: Conversation, mail: MailInput, words: Words): Reply {
  const [stop] = made(conversation, 'call_off');
  if (stop === undefined)
    return call('call_off', { reason: mail.text.split('\n')[0]?.slice(0, 100) || 'please stop' });
  const hasReplied = made(conversation, 'reply').length > 0;
  if (stoppedBy(stop).length === 0) {
    const reason = 'The customer wants something stopped, and nothing is under way.';
    if (made(conversation, 'escalate').length === 0) return call('escalate', { reason });
    return hasReplied ? end('escalated', reason) : letter(mail, words.letter(words.colleague));
  }
  if (made(conversation, 'orders_of_customer').length === 0) return call('orders_of_customer', {});
  const refunded = ordersFound(conversation)
    .filter((order) => order.refundedUsd > 0)
    .map((order) => `${order.refundedUsd.toFixed(2)} USD for ${order.orderId}`);
  if (!hasReplied) return letter(mail, words.letter(words.calledOff(refunded)));
  return end(
    'called-off',
    `Stopped what was under way; paid back, or on its way: ${refunded.join(', ') || 'nothing'}.`,
  );
}

interface Case {
  readonly mail: MailInput;
  readonly said: string;
  readonly words: Words;
  readonly asksRefund: boolean;
}

/** Everything was looked up and tried: escalate where it has to be, answer, end. */
function settle(conversation: Conversation, { mail, said, words, asksRefund }: Case): Reply {
  const orders = ordersFound(conversation);
  const refunds = refundsTried(conversation);
  const paid = refunds.filter((exchange) => errorOf(exchange.result) === undefined);
  const refused = refunds.flatMap((exchange) => errorOf(exchange.result) ?? []);
  const reason = whyEscalate({
    said,
    asksRefund,
    orders,
    refused,
  });

  if (reason !== undefined && made(conversation, 'escalate').length === 0)
    return call('escalate', { reason });
  if (made(conversation, 'reply').length === 0)
    return letter(
      mail,
      words.letter(body({ words, reason, refused, paid: paid.map(amountOf), orders, asksRefund })),
    );

  const failed = errorOf(made(conversation, 'reply').at(-1)?.result);
  if (failed !== undefined) {
    const unsent = `The answer could not be sent: ${failed}.`;
    return made(conversation, 'escalate').length === 0
      ? call('escalate', { reason: unsent })
      : end('escalated', unsent);
  }
  const about = orders.map((order) => order.orderId).join(', ') || 'no order of theirs';
  if (reason !== undefined) return end('escalated', reason);
  if (paid.length > 0)
    return end('refunded', `Refunded ${paid.map(amountOf).join(' and ')} for ${about}.`);
  if (orders.length === 0)
    return end('answered', 'Asked for the order number: no such order of theirs.');
  return end(
    'answered',
    `Told where ${about} is: ${orders.map((order) => order.state).join(', ')}.`,
  );
}

function body(seen: {
  readonly words: Words;
  readonly reason: string | undefined;
  readonly refused: readonly string[];
  readonly paid: readonly string[];
  readonly orders: readonly OrderSeen[];
  readonly asksRefund: boolean;
}): string {
  const { words, orders } = seen;
  if (seen.refused.includes('denied')) return words.denied;
  if (seen.reason !== undefined) return words.colleague;
  if (seen.paid.length > 0) return seen.paid.map((amount) => words.refunded(amount)).join(' ');
  if (orders.length === 0) return words.whichOrder;
  return orders.map((order) => words.state(order)).join(' ');
}

function whyEscalate(seen: {
  readonly said: string;
  readonly asksRefund: boolean;
  readonly orders: readonly OrderSeen[];
  readonly refused: readonly string[];
}): string | undefined {
  if (matter.grave.test(seen.said)) return 'The mail speaks of injury, law or fraud.';
  if (seen.refused.length > 0)
    return `A refund was not made: ${[...new Set(seen.refused)].join(', ')}.`;
  if (seen.asksRefund && seen.orders.some((order) => order.refundedUsd > 0))
    return 'A refund is asked for an order that was refunded before.';
  if (seen.asksRefund && seen.orders.length > 1)
    return 'It is not clear which order is to be refunded.';
  if (!seen.asksRefund && !matter.where.test(seen.said))
    return 'No rule says what this mail wants.';
  return undefined;
}

/** A named amount for the orders that the mail names, else all that was paid for them, or the only one. */
function refundsWanted(
  conversation: Conversation,
  said: string,
  ids: readonly string[],
): ScriptedToolCall[] {
  const orders = ordersFound(conversation);
  const named = amountIn(said);
  const way = (id: string): string =>
    orders.find((order) => order.orderId === id)?.paidBy === 'transfer' ? 'wire_refund' : 'refund';
  const refund = (orderId: string, amountUsd: number): ScriptedToolCall => ({
    name: way(orderId),
    arguments: { orderId, amountUsd },
  });
  if (named !== undefined && ids.length > 0 && (orders.length > 0 || ids.length > 1))
    return ids.map((orderId) => refund(orderId, named));
  const isClear = orders.length === 1 || (orders.length > 1 && orders.length === ids.length);
  if (!isClear || orders.some((order) => order.refundedUsd > 0)) return [];
  return orders.map((order) => refund(order.orderId, named ?? order.paidUsd));
}

const letter = (mail: MailInput, text: string): Reply =>
  call('reply', {
    subject: /^re:/i.test(mail.subject) ? mail.subject : `Re: ${mail.subject}`,
    text,
    ...(mail.messageId === undefined ? {} : { inReplyTo: mail.messageId }),
  });
const calls = (toolCalls: readonly ScriptedToolCall[]): Reply => ({ toolCalls });
const call = (name: string, args: Readonly<Record<string, unknown>>): Reply =>
  calls([{ name, arguments: args }]);
const end = (resolution: string, summary: string): Reply => ({
  text: JSON.stringify({ resolution, summary }),
});
