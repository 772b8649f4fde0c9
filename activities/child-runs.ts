/**
 * Sub-agents: a tool call that is a run of another agent.
 *
 * The child's row and its ceiling, carved out of the parent's, are written before its workflow
 * starts; both are found again when the activity runs again.
 */
import type {
  CloseChildInput,
  OpenChildInput,
  OpenChildOutput,
  RunOutcome,
  RunToolOutput,
  ToolErrorNote,
} from '../contracts/agent-run.ts';
import { toolErrorCode } from '../contracts/agent-run.ts';
import { BelayerError, failureType, invariant } from '../contracts/failures.ts';
import { childRunId } from '../contracts/positions.ts';
import { childInputOf } from '../definitions/internal.ts';
import { canonicalJson } from '../rules/canonical-json.ts';
import { toolErrorMessage, toolMessage } from '../rules/render-message.ts';
import { reserveChild, settleChild } from '../storage/children.ts';
import { sha256 } from '../storage/hash.ts';
import { runUnknown } from '../storage/ledger.ts';
import { type DefinitionCache, definitionToPin, insertNewRun } from '../storage/new-run.ts';
import { readEnd } from '../storage/reading-results.ts';
import { asActivity } from './activity-call.ts';
import { argumentsOf } from './arguments-of.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { ownBuilds } from './own-builds.ts';
import { toolResult } from './tool-result.ts';

export function createOpenChild(deps: ActivityDependencies) {
  return asActivity(deps.worker, async (input: OpenChildInput, call): Promise<OpenChildOutput> => {
    return await open(deps, call, input);
  });
}

async function open(
  deps: ActivityDependencies,
  call: { readonly run: string; readonly token: string },
  input: OpenChildInput,
): Promise<OpenChildOutput> {
  const tool = deps.agents
    .get(input.caller)
    ?.tools.find((candidate) => candidate.name === input.tool && candidate.child !== undefined);
  const run = childRunId(call.run, input.position);
  const definitions: DefinitionCache = new Map();
  const child = { agent: input.agent, run };
  const known =
    tool === undefined
      ? undefined
      : await definitionToPin(deps.database, definitions, child, ownBuilds(deps)).catch(
          (error: unknown) => {
            if (error instanceof BelayerError && error.type === failureType.agentUnknown)
              return undefined;
            throw error;
          },
        );
  if (tool === undefined || known === undefined)
    throw new BelayerError(
      failureType.noWorker,
      `This worker's application has no sub-agent \`${input.agent}\`.`,
    );
  const opened = await reserveChild(deps.database, {
    run: call.run,
    position: input.position,
    token: call.token,
    agent: input.agent,
    requestHash: input.argumentsHash,
    microUsd: known.frozen.limits.costMicroUsd,
    tokens: known.frozen.limits.tokens,
  });
  const closeWith = async (error: ToolErrorNote): Promise<OpenChildOutput> => ({
    kind: 'closed',
    result: await settleChild(deps.database, {
      run: call.run,
      position: input.position,
      childRun: run,
      token: call.token,
      tool: input.agent,
      result: toolResult(toolErrorMessage(input.id, error), {
        input: input.argumentsHash,
        status: 'failed',
        code: error.code,
        costMicroUsd: 0,
      }),
      status: 'failed',
      code: error.code,
    }),
  });
  switch (opened.verdict) {
    case 'finished':
      invariant(opened.answer !== null, 'a finished call has an answer');
      return { kind: 'closed', result: opened.answer };
    case 'conflict':
      return { kind: 'closed', result: { kind: 'conflict', input: input.argumentsHash } };
    case 'halted':
      return { kind: 'halted', reason: opened.detail ?? '' };
    case 'budget':
      return {
        kind: 'refused',
        error: note(
          toolErrorCode.budgetSpent,
          'Nothing is left under this run’s ceiling for a sub-agent.',
        ),
      };
    case 'opened':
      break;
    case 'no-run':
      throw runUnknown(call.run);
    default:
      opened.verdict satisfies never;
  }
  const text = await argumentsOf(deps.database, call.run, input);
  try {
    const wanted = {
      run,
      agent: input.agent,
      input: childInputOf(tool, JSON.parse(text)),
      options: {
        limits: { costMicroUsd: opened.micro_usd, tokens: opened.tokens },
        depth: input.depth,
      },
      parent: { run: call.run, position: input.position },
      ...(opened.customer ? { customer: opened.customer } : {}),
    };
    const inserted = await insertNewRun(deps.database, definitions, wanted, ownBuilds(deps));
    return { kind: 'opened', run, start: inserted.start };
  } catch (error) {
    if (!(error instanceof BelayerError)) throw error;
    // The sub-agent is stopped, and perhaps not its parent: a parent that is finds out at its next claim.
    if (error.type === failureType.startStopped)
      return closeWith(note(toolErrorCode.halted, error.message));
    if (error.type !== failureType.inputRejected) throw error;
    return closeWith(note(toolErrorCode.badArguments, error.message));
  }
}

export function createCloseChild(deps: ActivityDependencies) {
  return asActivity(deps.worker, async (input: CloseChildInput, call): Promise<RunToolOutput> => {
    const end = await readEnd(deps.database, input.run);
    const outcome = end?.outcome ?? null;
    const failure = outcome?.kind === 'done' ? undefined : childFailure(outcome);
    const output = end?.output ?? 'null';
    const parsed = JSON.parse(output) as unknown;
    const text = typeof parsed === 'string' ? parsed : output;
    return await settleChild(deps.database, {
      run: call.run,
      position: input.position,
      childRun: input.run,
      token: call.token,
      tool: input.tool,
      status: failure === undefined ? 'ok' : 'failed',
      ...(failure === undefined ? {} : { code: failure.code }),
      result: toolResult(
        failure === undefined ? toolMessage(input.id, text) : toolErrorMessage(input.id, failure),
        {
          input: sha256(canonicalJson(input)),
          status: failure === undefined ? 'ok' : 'failed',
          code: failure?.code,
          costMicroUsd: 0,
        },
      ),
    });
  });
}

function childFailure(outcome: RunOutcome | null): ToolErrorNote {
  if (outcome?.kind === 'stopped')
    return note(
      outcome.because === 'halted' ? toolErrorCode.halted : toolErrorCode.failed,
      `The sub-agent stopped (${outcome.because}): ${outcome.detail}`,
    );
  return note(
    toolErrorCode.failed,
    outcome?.kind === 'failed'
      ? `The sub-agent failed (${outcome.failure.type}): ${outcome.failure.message}`
      : 'The sub-agent ended without an outcome.',
  );
}

const note = (code: string, message: string): ToolErrorNote => ({
  code,
  message,
  retryable: false,
  attempts: 1,
});
