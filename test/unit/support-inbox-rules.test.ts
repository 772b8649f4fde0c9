import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { readMail } from '../../examples/support-inbox/mail.ts';
import { supportRules } from '../../examples/support-inbox/stand-in-rules.ts';
import { languageOf } from '../../examples/support-inbox/stand-in-words.ts';
import { conversationOf } from '../../testing/provider/conversation.ts';

const samples = fileURLToPath(new URL('../../examples/support-inbox/mails', import.meta.url));
type Results = Readonly<Record<string, unknown>>;

/** Lets the rules work on a mail; every tool answers with what is given, by name and order. */
async function decide(input: unknown, results: Results) {
  const messages: unknown[] = [{ role: 'user', content: JSON.stringify(input) }];
  const made: string[] = [];
  for (let step = 1; step <= 10; step += 1) {
    const reply = supportRules(conversationOf({ model: 'm', messages } as never));
    if (reply?.toolCalls === undefined) return { made, end: JSON.parse(reply?.text ?? 'null') };
    const calls = reply.toolCalls.map((call, index) => ({
      id: `${step}.${index}`,
      function: { name: call.name, arguments: JSON.stringify(call.arguments) },
    }));
    messages.push({ role: 'assistant', tool_calls: calls });
    for (const call of calls) {
      made.push(`${call.function.name} ${call.function.arguments}`);
      const result = results[call.function.name] ?? {};
      messages.push({
        role: 'tool',
        tool_call_id: call.id,
        content: typeof result === 'string' ? result : JSON.stringify(result),
      });
    }
  }
  throw new Error('The rules came to no end.');
}

const sample = async (file: string) => (await readMail(samples, file)).input;
const order = (id: string, paidUsd: number, refundedUsd = 0) => ({
  find_order: { orderId: id, item: 'x', state: 'shipped', paidUsd, refundedUsd },
});
const tools = (made: readonly string[]) => made.map((call) => call.split(' ')[0]);

test('a question about an order is answered', async () => {
  const { made, end } = await decide(
    await sample('01-where-is-my-order.eml'),
    order('A-1001', 39.9),
  );
  expect(tools(made)).toEqual(['find_order', 'reply']);
  expect(end.resolution).toBe('answered');
});

test('without a named amount all that was paid is refunded, with one only that', async () => {
  const refund = { refund: { amount: '34.50 USD' } };
  const all = await decide(await sample('02-rueckerstattung.eml'), {
    ...order('A-1002', 34.5),
    ...refund,
  });
  expect(all.made[1]).toBe('refund {"orderId":"A-1002","amountUsd":34.5}');
  expect(all.end.resolution).toBe('refunded');
  const part = await decide(await sample('04-missing-carabiner.eml'), {
    ...order('A-1004', 64),
    ...refund,
  });
  expect(part.made[1]).toBe('refund {"orderId":"A-1004","amountUsd":18}');
});

test('a refund that was denied, or made before, goes to a colleague', async () => {
  const mail = await sample('03-damaged-rope.eml');
  const denied = await decide(mail, {
    ...order('A-1003', 189),
    refund: { error: { code: 'denied' } },
  });
  expect(tools(denied.made)).toEqual(['find_order', 'refund', 'escalate', 'reply']);
  expect(denied.made[3]).toContain('the refund was not approved');
  expect(denied.end.resolution).toBe('escalated');
  const before = await decide(mail, order('A-1003', 189, 189));
  expect(tools(before.made)).toEqual(['find_order', 'escalate', 'reply']);
});

test('what was paid by bank transfer goes back by transfer, also when a human says that it happened', async () => {
  const { made, end } = await decide(await sample('10-ice-axe.eml'), {
    find_order: { orderId: 'A-1009', item: 'x', paidUsd: 45, paidBy: 'transfer', refundedUsd: 0 },
    wire_refund: '[a human says that it happened, with this result]\n{"amount":"45.00 USD"}',
  });
  expect(made[1]).toBe('wire_refund {"orderId":"A-1009","amountUsd":45}');
  expect(made[2]).toContain('we have refunded 45.00 USD');
  expect(end.resolution).toBe('refunded');
});

test('a customer who says stop is told what was paid back before', async () => {
  const mail = await sample('12-please-stop.eml');
  const { made, end } = await decide(mail, {
    call_off: { stopped: ['support-1'] },
    orders_of_customer: {
      orders: [{ orderId: 'A-1010', item: 'x', paidUsd: 24, refundedUsd: 24 }],
    },
  });
  expect(tools(made)).toEqual(['call_off', 'orders_of_customer', 'reply']);
  expect(made[2]).toContain('24.00 USD for A-1010');
  expect(end.resolution).toBe('called-off');
  const late = await decide(mail, { call_off: { stopped: [] } });
  expect(tools(late.made)).toEqual(['call_off', 'escalate', 'reply']);
  expect(late.end.resolution).toBe('escalated');
});

test('injuries and lawyers go to a colleague, and nothing is paid', async () => {
  const { made, end } = await decide(await sample('06-harness-failed.eml'), order('A-1005', 79));
  expect(tools(made)).toEqual(['find_order', 'escalate', 'reply']);
  expect(end.resolution).toBe('escalated');
});

test('an order that is not theirs is asked about, and a machine is not answered', async () => {
  const none = { find_order: { error: { code: 'no_such_order' } } };
  expect((await decide(await sample('05-unknown-order.eml'), none)).end.resolution).toBe(
    'answered',
  );
  expect(await decide(await sample('09-out-of-office.eml'), {})).toMatchObject({
    made: [],
    end: { resolution: 'nothing' },
  });
});

test('an answer that could not be sent goes to a colleague', async () => {
  const mail = await sample('01-where-is-my-order.eml');
  const failed = { ...order('A-1001', 39.9), reply: { error: { code: 'not_sent' } } };
  const { made, end } = await decide(mail, failed);
  expect(tools(made)).toEqual(['find_order', 'reply', 'escalate']);
  expect(end.resolution).toBe('escalated');
});

test('a conversation that is not about a mail is left to the general rules', () => {
  const messages = [{ role: 'user' as const, content: 'Where is A-17?' }];
  expect(supportRules(conversationOf({ model: 'm', messages }))).toBeUndefined();
});

test('the language is known by its commonest words', () => {
  expect(languageOf('Ich warte auf die Bestellung und bitte um Antwort')).toBe('de');
  expect(languageOf('Hola, ¿dónde está mi pedido?')).toBe('es');
  expect(languageOf('Where is my order? I live in Los Angeles.')).toBe('en');
});
