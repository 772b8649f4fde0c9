/** A worker as it is started, with the channels of its environment. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Webhook } from 'standardwebhooks';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { z } from 'zod';
import { defineAgent, defineTool } from '../../definitions/index.ts';
import { reply } from '../../testing/provider/index.ts';
import { startWorker } from '../../workers/start-worker.ts';
import { eventually } from '../support/eventually.ts';
import { startMailBox } from '../support/mail-box.ts';
import { startReceiver } from '../support/receiver.ts';
import { createWorld, testPrices, type World } from '../support/world.ts';

let world: World;
let folder: string;
beforeAll(async () => {
  world = await createWorld();
  folder = mkdtempSync(join(tmpdir(), 'belayer-announcing-'));
});
afterAll(async () => {
  await world?.stop();
  rmSync(folder, { recursive: true, force: true });
});

test('what a run asks reaches people by webhook and mail, and is decided with what they were told', async () => {
  const [receiver, box] = await Promise.all([startReceiver(), startMailBox()]);
  const secret = `whsec_${Buffer.alloc(24, 1).toString('base64')}`;
  const prices = join(folder, 'prices.json');
  writeFileSync(prices, JSON.stringify(testPrices));
  const refund = defineTool({
    name: 'refund',
    description: 'Refunds.',
    effect: 'write',
    repeat: 'keyed',
    keyValid: '24 hours',
    approval: 'always',
    input: z.object({ amountUsd: z.number() }),
    run: () => 'ok',
  });
  const worker = await startWorker({
    app: defineAgent({ name: 'clerk', instructions: 'Refund.', tools: [refund] }),
    environment: {
      TEMPORAL_ADDRESS: world.servers.addresses.temporal.address,
      DATABASE_URL: world.servers.addresses.databaseUrl,
      OPENAI_API_KEY: 'test',
      OPENAI_BASE_URL: world.provider.baseURL,
      BELAYER_MODEL: 'test-model',
      BELAYER_PRICES: prices,
      BELAYER_LOG: 'error',
      // Its bundle cache is shared by all tests.
      BELAYER_DATA: join(tmpdir(), 'belayer-test-bundles'),
      BELAYER_WEBHOOK_URL: receiver.url,
      BELAYER_WEBHOOK_SECRET: secret,
      BELAYER_SMTP_URL: box.url,
      BELAYER_MAIL_FROM: 'belayer@example.com',
      BELAYER_MAIL_TO: 'ann@example.com',
    },
  });
  try {
    world.provider.script([reply.tools({ refund: { amountUsd: 80 } }), reply.text('done')]);
    const run = await world.belayer.start('clerk', { input: 'go', customer: 'acme' });
    await eventually(() => receiver.received.length === 1 && box.mails.length === 1);
    const { headers, body } = receiver.received[0]!;
    const { data } = new Webhook(secret).verify(body, headers as Record<string, string>) as {
      data: { run: string; position: string; argumentsHash: string; arguments: string };
    };
    expect(data).toMatchObject({ run: run.id, position: '1.1/approval', customer: 'acme', arguments: '{"amountUsd":80}' }); // prettier-ignore
    expect(box.mails[0]?.parsed.text).toContain('"amountUsd": 80');
    await run.approve(data.position, { argumentsHash: data.argumentsHash });
    expect(await run.output()).toBe('done');
  } finally {
    await worker.stop();
    await receiver.stop();
    await box.stop();
  }
});
