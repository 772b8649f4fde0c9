/** Belayer's worker process: an application of two agents that differ in where their models are called. */
import { z } from 'zod';
import { openAiModelClient } from '../../activities/models/openai-model.ts';
import { defineAgent, defineApp, defineTool } from '../../definitions/index.ts';
import { asApp } from '../../definitions/internal.ts';
import { startAgentWorker } from '../../workers/agent-worker.ts';
import { workflowBundle } from '../../workers/workflow-bundle.ts';
import { type CarryOut, carryLoad } from './carry-load.ts';
import { answerParent } from './child-process.ts';
import { makeRecord } from './make-record.ts';
import { callsAtOnce, readSurroundings } from './surroundings.ts';
import { instructions, model, outputTokens, tool } from './workloads.ts';

const { temporalAddress, namespace, databaseUrl, baseURL, folder } = readSurroundings();

const lookup = defineTool({
  ...tool,
  effect: 'read',
  input: z.object({ number: z.number(), bytes: z.number() }),
  run: ({ number, bytes }) => makeRecord(number, bytes),
});
const common = {
  instructions,
  model,
  tools: [lookup],
  // Wide: no run of the benchmark is to reach one.
  limits: { costUsd: 10_000, tokens: 1_000_000_000, steps: 200, outputTokens },
} as const;
const app = defineApp({
  agents: [
    defineAgent({ name: 'belayer', ...common }),
    defineAgent({ name: 'belayer-near', ...common, placement: { models: 'near' } }),
  ],
});

const worker = await startAgentWorker({
  app: asApp(app),
  buildId: 'bench',
  addresses: {
    temporal: { address: temporalAddress, namespace, embedded: true },
    databaseUrl,
    databaseEmbedded: true,
  },
  settings: { namespace, taskQueue: 'belayer', dataFolder: folder, temporal: {} },
  workerSettings: {
    logLevel: 'error',
    callsAtOnce,
    prices: { [model]: { inputUsdPerMillion: 1, outputUsdPerMillion: 2 } },
  },
  models: openAiModelClient({ apiKey: 'bench', baseURL }),
  bundle: await workflowBundle(folder),
});

const carryOut: CarryOut = async (variant, task) => {
  const run = await worker.client.start(variant, { input: task });
  const output = await run.output();
  if (typeof output !== 'string' || !output.startsWith('Done'))
    throw new Error(`Run ${run.id} ended with: ${String(output)}`);
  return run.id;
};

answerParent({
  load: (load: Parameters<typeof carryLoad>[0]) => carryLoad(load, carryOut),
  stop: () => worker.stop(),
});
