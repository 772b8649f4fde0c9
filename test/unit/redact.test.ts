import { expect, test } from 'vitest';
import { limits } from '../../contracts/limits.ts';
import { createRedactor, secretRules } from '../../rules/redact.ts';
import { redactHistory } from '../../rules/redact-history.ts';

const redactor = (options: Partial<Parameters<typeof createRedactor>[0]> = {}) =>
  createRedactor({ rules: secretRules, fields: [], secretFields: true, ...options });
const redacted = (value: unknown, by = redactor()): string => {
  by.learn(value);
  return JSON.stringify(by.redact(value).value);
};

test('what looks like a secret is taken out, and what does not stays', () => {
  const secrets = [
    'sk-proj-abcdefghijklmnop1234',
    'AKIAABCDEFGHIJKLMNOP',
    `ghp_${'a1'.repeat(18)}`,
    'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.c2lnbmF0dXJl',
    '-----BEGIN RSA PRIVATE KEY-----\nMIIEow\n-----END RSA PRIVATE KEY-----',
  ];
  for (const secret of secrets) expect(redacted(`It is ${secret}.`)).not.toContain(secret.slice(0, 12)); // prettier-ignore
  expect(redacted('Authorization: Bearer abcdef0123456789ABCDEF')).toBe('"Authorization: Bearer [redacted: bearer-token]"'); // prettier-ignore
  expect(redacted('postgres://app:hunter2@db/x')).toBe('"postgres://app:[redacted: url-password]@db/x"'); // prettier-ignore
  for (const harmless of ['https://example.com/a:b@c', 'task-force', 'The password is long.', 'sk-1'])
    expect(redacted(harmless)).toBe(JSON.stringify(harmless)); // prettier-ignore
});

test('a value that a field gives away is taken out wherever it occurs, also in JSON inside of strings', () => {
  const by = redactor({ fields: ['email'] });
  const message = JSON.stringify({ content: JSON.stringify({ Email: 'a"b\\c@x.org', id: 7 }) });
  const prose = 'Write to a"b\\c@x.org.';
  by.learn(message);
  by.learn(prose);
  expect(by.redact(message).value).toBe(
    JSON.stringify({ content: JSON.stringify({ Email: '[redacted: field email]', id: 7 }) }),
  );
  expect(by.redact(prose)).toEqual({
    value: 'Write to [redacted: field email].',
    found: new Map([['field email', 1]]),
  });
  expect(by.remains({ key: 'for a"b\\c@x.org' })).toBe('field email');
  expect(by.remains({ key: 'for nobody' })).toBeUndefined();
});

test('a short value is taken out of its field alone, and counted', () => {
  const by = redactor({ fields: ['pin'] });
  expect(redacted({ pin: '1234', text: 'In 1234 days.' }, by)).toBe('{"pin":"[redacted: field pin]","text":"In 1234 days."}'); // prettier-ignore
  expect(by.shortValues).toBe(1);
});

test('what holds no secret keeps its bytes', () => {
  const text = '{ "b": 1.0,  "a": "sk" }';
  expect(redactor().redact(text)).toEqual({ value: text, found: new Map() });
});

test('redacting again changes nothing', () => {
  const once = redactor().redact({ password: 'correct-horse', url: 'x://u:secretpass@h' }).value;
  expect(redactor().redact(once).value).toEqual({ password: '[redacted: secret-field]', url: 'x://u:[redacted: url-password]@h' }); // prettier-ignore
});

test('more different values than can be looked for are refused', () => {
  const by = redactor({ fields: ['id'] });
  expect(() => {
    for (let id = 0; id <= limits.redactedValuesMax; id += 1) by.learn({ id: `value-${id}` });
  }).toThrow('redactedValuesMax');
});

test('payloads of histories are opened, and those that cannot be are counted', () => {
  const base64 = (text: string): string => Buffer.from(text).toString('base64');
  const payload = (encoding: string, data: string) => ({
    metadata: { encoding: base64(encoding) },
    data: base64(data),
  });
  const history = {
    events: [
      { input: { payloads: [payload('json/plain', '{"password":"ünsäglich"}')] } },
      { result: payload('binary/encrypted', 'ünsäglich') },
      { failure: { message: 'no ünsäglich' } },
    ],
  };
  const by = redactor();
  by.learn({ password: 'ünsäglich' });
  const result = redactHistory(history, (value) => by.redact(value).value);
  expect(result).toMatchObject({ isChanged: true, opaquePayloads: 1 });
  expect(result.history).toEqual({
    events: [
      { input: { payloads: [payload('json/plain', '{"password":"[redacted: secret-field]"}')] } },
      { result: payload('binary/encrypted', 'ünsäglich') },
      { failure: { message: 'no [redacted: secret-field]' } },
    ],
  });
  expect(redactHistory(history, (value) => value)).toMatchObject({ isChanged: false, history });
});
