/** The loop that one would write on Temporal by hand: the conversation is the workflow's state. */
import { proxyActivities, proxyLocalActivities } from '@temporalio/workflow';
import type { LoopActivities } from './activities.ts';
import type { LoopMessage } from './messages.ts';

const stepsMax = 200;

const { callModel } = proxyActivities<LoopActivities>({
  startToCloseTimeout: '2 minutes',
  heartbeatTimeout: '15 seconds',
  retry: {
    initialInterval: '500 milliseconds',
    backoffCoefficient: 2,
    maximumInterval: '30 seconds',
    maximumAttempts: 6,
  },
});

const toolOptions = {
  startToCloseTimeout: '20 seconds',
  retry: {
    initialInterval: '500 milliseconds',
    backoffCoefficient: 2,
    maximumInterval: '30 seconds',
    maximumAttempts: 4,
  },
} as const;
const onQueue = proxyActivities<LoopActivities>(toolOptions);
const near = proxyLocalActivities<LoopActivities>(toolOptions);

export async function agentLoop(task: string, tools: 'queue' | 'near'): Promise<string> {
  const { runTool } = tools === 'near' ? near : onQueue;
  const messages: LoopMessage[] = [{ role: 'user', content: task }];
  for (let step = 1; step <= stepsMax; step += 1) {
    const reply = await callModel(messages);
    messages.push(reply);
    if (reply.tool_calls === undefined) return reply.content ?? '';
    const results = await Promise.all(
      reply.tool_calls.map(async (call): Promise<LoopMessage> => ({
        role: 'tool',
        tool_call_id: call.id,
        content: await runTool({ name: call.function.name, arguments: call.function.arguments }),
      })),
    );
    messages.push(...results);
  }
  throw new Error(`No answer after ${stepsMax} steps.`);
}
