/** What the hand-written loop does outside its workflow. */
import { ApplicationFailure, cancellationSignal, heartbeat } from '@temporalio/activity';
import { ModelFailure, type ModelClient } from '../../../activities/models/openai-model.ts';
import { makeRecord } from '../make-record.ts';
import { instructions, model, outputTokens, tool } from '../workloads.ts';
import type { AssistantMessage, LoopMessage } from './messages.ts';

const heartbeatMs = 5_000;
const callMsMax = 120_000;
const idleMsMax = 45_000;

/** What every request says besides its messages. */
const parameters = {
  model,
  temperature: 0,
  max_tokens: outputTokens,
  stream: true,
  stream_options: { include_usage: true },
  tools: [
    {
      type: 'function',
      function: {
        name: tool.name,
        description: tool.description,
        parameters: {
          type: 'object',
          properties: { number: { type: 'number' }, bytes: { type: 'number' } },
          required: ['number', 'bytes'],
          additionalProperties: false,
        },
      },
    },
  ],
};

export function createLoopActivities(models: ModelClient) {
  return {
    async callModel(messages: readonly LoopMessage[]): Promise<AssistantMessage> {
      const beats = setInterval(() => heartbeat(), heartbeatMs);
      try {
        const reply = await models.call({
          body: JSON.stringify({
            ...parameters,
            messages: [{ role: 'system', content: instructions }, ...messages],
          }),
          model,
          signal: cancellationSignal(),
          idleMs: idleMsMax,
          timeoutMs: callMsMax,
        });
        return {
          role: 'assistant',
          content: reply.text === '' ? null : reply.text,
          ...(reply.toolCalls.length === 0
            ? {}
            : {
                tool_calls: reply.toolCalls.map((call) => ({
                  id: call.id,
                  type: 'function' as const,
                  function: { name: call.name, arguments: call.argumentsText },
                })),
              }),
        };
      } catch (error) {
        if (error instanceof ModelFailure)
          throw ApplicationFailure.create({
            type: error.type,
            message: error.message,
            nonRetryable: !error.retryable,
            ...(error.retryAfterMs === undefined ? {} : { nextRetryDelay: error.retryAfterMs }),
          });
        throw error;
      } finally {
        clearInterval(beats);
      }
    },

    runTool(call: { readonly name: string; readonly arguments: string }): Promise<string> {
      if (call.name !== tool.name)
        throw ApplicationFailure.nonRetryable(`There is no tool ${call.name}.`, 'UnknownTool');
      const { number, bytes } = JSON.parse(call.arguments) as {
        readonly number: number;
        readonly bytes: number;
      };
      return Promise.resolve(makeRecord(number, bytes));
    },
  };
}

export type LoopActivities = ReturnType<typeof createLoopActivities>;
