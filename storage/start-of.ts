import type { AgentRunInput } from '../contracts/agent-run.ts';
import { type Build, buildOf } from '../contracts/deployments.ts';
import { invariant } from '../contracts/failures.ts';
import { toRunInput } from '../rules/to-run-input.ts';
import type { Database } from './database.ts';
import { storedDefinition } from './definitions.ts';
import type { RunToStart } from './runs.ts';

/** What the workflow of a run on record is started with, whoever starts it, and whose worker takes it. */
export async function startOf(
  database: Database,
  row: RunToStart,
): Promise<{ readonly input: AgentRunInput; readonly build: Build | undefined }> {
  const definition = await storedDefinition(database, row.definition);
  invariant(definition !== undefined, `definition ${row.definition} of run ${row.id} is stored`);
  const { frozen } = definition;
  return {
    build: buildOf(frozen),
    input:
      row.forkInput ??
      toRunInput({
        frozen,
        definition: row.definition,
        customer: row.customer,
        transcript: { chain: 0, length: 1, head: row.head, bytes: row.bytes },
        ...(row.options === null ? {} : { options: row.options }),
      }),
  };
}
