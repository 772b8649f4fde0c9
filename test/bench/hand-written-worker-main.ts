/** The worker process of the hand-written loop: its client shares the worker's connection, so its starts are eager. */
import { Client } from '@temporalio/client';
import { bundleWorkflowCode, NativeConnection, Runtime, Worker } from '@temporalio/worker';
import { randomUUID } from 'node:crypto';
import { fileURLToPath } from 'node:url';
import { openAiModelClient } from '../../activities/models/openai-model.ts';
import { type CarryOut, carryLoad } from './carry-load.ts';
import { answerParent } from './child-process.ts';
import { createLoopActivities } from './hand-written/activities.ts';
import { quietLogger } from './quiet-logger.ts';
import { callsAtOnce, readSurroundings } from './surroundings.ts';

const { temporalAddress, namespace, baseURL } = readSurroundings();
const taskQueue = 'hand-written';
Runtime.install({ logger: quietLogger, shutdownSignals: [] });
const connection = await NativeConnection.connect({ address: temporalAddress });
const workflowBundle = await bundleWorkflowCode({
  workflowsPath: fileURLToPath(new URL('hand-written/workflow.ts', import.meta.url)),
  logger: quietLogger,
});
const worker = await Worker.create({
  connection,
  namespace,
  taskQueue,
  workflowBundle,
  activities: createLoopActivities(openAiModelClient({ apiKey: 'bench', baseURL })),
  maxConcurrentActivityTaskExecutions: callsAtOnce,
  maxConcurrentLocalActivityExecutions: callsAtOnce,
  maxConcurrentWorkflowTaskExecutions: callsAtOnce,
  shutdownGraceTime: '10 seconds',
});
const running = worker.run();
const client = new Client({ connection, namespace });

const carryOut: CarryOut = async (variant, task) => {
  const workflowId = `loop-${randomUUID()}`;
  const output: string = await client.workflow.execute('agentLoop', {
    workflowId,
    taskQueue,
    args: [task, variant === 'loop-near' ? 'near' : 'queue'],
    requestEagerStart: true,
  });
  if (!output.startsWith('Done')) throw new Error(`Run ${workflowId} ended with: ${output}`);
  return workflowId;
};

answerParent({
  load: (load: Parameters<typeof carryLoad>[0]) => carryLoad(load, carryOut),
  async stop() {
    worker.shutdown();
    await running;
    await connection.close();
  },
});
