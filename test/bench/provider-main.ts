/**
 * The provider, in a process of its own, so that its work is not counted as a worker's.
 *
 * Stateless: the number of tool results in a request says which reply comes next, so that runs of
 * both sides may be mixed as they like.
 */
import { reply, startProvider, type Reply } from '../../testing/provider/index.ts';
import type { ChatRequest } from '../../testing/provider/index.ts';
import { answerParent } from './child-process.ts';
import { tool, workOf } from './workloads.ts';

function nextReply(request: ChatRequest): Reply {
  let task: string | undefined;
  let results = 0;
  for (const message of request.messages) {
    if (message.role === 'tool') results += 1;
    else if (message.role === 'user' && typeof message.content === 'string')
      task ??= message.content;
  }
  const work = workOf(task ?? '');
  if (work === undefined) throw new Error('A request without a task.');
  const more = work.thinkMs === 0 ? {} : { thinkMs: work.thinkMs };
  return results < work.toolCalls
    ? reply.tools({ [tool.name]: { number: results, bytes: work.resultBytes } }, more)
    : reply.text('Done: all records have been looked up.', more);
}

const provider = await startProvider({ script: nextReply, requestsKeptMax: 0 });
answerParent({
  where: () => Promise.resolve({ baseURL: provider.baseURL }),
  stop: () => provider.stop(),
});
