/** An application's own workflow, in which an agent is one step. */
import { runAgent } from '../../workflows/run-agent.ts';

export async function ticket(email: string): Promise<string> {
  const { reply } = await runAgent<{ readonly reply: string }>('clerk', {
    input: { email },
    customer: 'acme',
  });
  return `ticket: ${reply}`;
}
