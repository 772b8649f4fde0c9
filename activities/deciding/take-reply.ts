/**
 * Whether a reply will do: what `judgeReply` makes of it, and then what the agent says about that.
 *
 * 1. A reply that asks for calls may end the run (`stopWhen`); it is never a reason to ask a larger model.
 * 2. An output that fits is checked, and one that the check says no to is as one that does not fit.
 * 3. What does not fit, or is not sure enough, is rejected where a larger model is left, and taken where none is.
 */
import type { FrozenAgent } from '../../contracts/definitions.ts';
import { limits } from '../../contracts/limits.ts';
import type { ConfidencePolicy } from '../../contracts/routing.ts';
import type { AnyAgent } from '../../definitions/internal.ts';
import { show } from '../../definitions/internal.ts';
import { judgeOutput, judgeReply, type Judgement } from '../judge-reply.ts';
import type { ModelResponse } from '../models/model-client.ts';
import { callFunction, functionFailed } from './call-function.ts';
import { askStopWhen, callsAsked } from './short-circuit.ts';

export interface ReplySeen {
  readonly step: number;
  readonly model: string;
  readonly mayRaise: boolean;
  /** The run's parsed input, where `needsInput` says so. */
  readonly input: unknown;
}

export interface TakenReply {
  readonly judged: Judgement;
  /** `stopWhen` ended the run with it, and why. */
  readonly shortCircuit?: string;
  /** What was not right about an output that is taken all the same. */
  readonly problem?: string;
}

export type Deciding = Pick<FrozenAgent, 'models' | 'tiers' | 'cascade' | 'check' | 'stopWhen'>;

/** The name that the agent gives the model, if it gives any. */
export const tierOf = ({ models, tiers }: Deciding, model: string): string | undefined =>
  tiers?.[models.indexOf(model)];

/** For the event of a reply: what is not right about it. */
export function problemIn({ judged, problem }: TakenReply): { readonly problem?: string } {
  if (judged.kind === 'rejected') return { problem: judged.because };
  return problem === undefined ? {} : { problem };
}

/** Whether a function that looks at replies is told the run's input. */
export const needsInput = ({ check, stopWhen }: Deciding): boolean =>
  check === true || stopWhen?.kind === 'function';

/** @throws FunctionFailed, NoWorker */
export async function takeReply(
  agent: AnyAgent,
  frozen: Deciding,
  reply: ModelResponse,
  seen: ReplySeen,
): Promise<TakenReply> {
  const judged = await judgeReply(agent, reply);
  switch (judged.kind) {
    case 'calls':
      return stopped(agent, frozen, { reply, seen, judged });
    case 'final':
      return checked(agent, frozen, { seen, text: judged.text });
    case 'misfit':
      return { judged: seen.mayRaise ? rejected(`misfit: ${judged.problem}`) : judged };
    case 'refused':
    case 'rejected':
      return { judged };
    default:
      return judged satisfies never;
  }
}

const rejected = (because: string): Judgement => ({
  kind: 'rejected',
  because: because.slice(0, limits.choiceCharsMax),
});

async function stopped(
  agent: AnyAgent,
  { stopWhen }: Deciding,
  given: {
    readonly reply: ModelResponse;
    readonly seen: ReplySeen;
    readonly judged: Judgement;
  },
): Promise<TakenReply> {
  const { reply, seen, judged } = given;
  if (stopWhen === undefined) return { judged };
  const skipped = reply.toolCalls.map(({ id }) => id);
  if (stopWhen.kind === 'function') {
    const stop = await askStopWhen(agent, {
      input: seen.input,
      step: seen.step,
      results: [],
      calls: callsAsked(reply.toolCalls),
      text: reply.text,
    });
    if (stop === undefined) return { judged };
    return { judged: { kind: 'final', text: stop.text, skipped }, shortCircuit: stop.because };
  }
  if (reply.text === '') return { judged };
  const output = await judgeOutput(agent, reply.text);
  if (output.kind !== 'final') return { judged };
  const sure = await confidenceIn(agent, 'stopWhen', stopWhen, output.text);
  if (sure === undefined || sure < stopWhen.atLeast) return { judged };
  return {
    judged: { ...output, skipped },
    shortCircuit: `confidence ${sure} is at least ${stopWhen.atLeast}`,
  };
}

async function checked(
  agent: AnyAgent,
  frozen: Deciding,
  { seen, text }: { readonly seen: ReplySeen; readonly text: string },
): Promise<TakenReply> {
  const judged: Judgement = { kind: 'final', text };
  if (frozen.check === true) {
    const wrong = await wrongWith(agent, frozen, { seen, text });
    if (wrong !== undefined)
      return {
        judged: seen.mayRaise
          ? rejected(`check: ${wrong}`)
          : {
              kind: 'misfit',
              problem: `Your reply will not do: ${wrong} Give the whole answer again.`,
            },
      };
  }
  const policy = frozen.cascade?.confidence;
  if (policy === undefined) return { judged };
  const sure = await confidenceIn(agent, 'cascade', policy, text);
  if (sure !== undefined && sure >= policy.atLeast) return { judged };
  const words =
    sure === undefined
      ? 'the output says no confidence'
      : `confidence ${sure} is under ${policy.atLeast}`;
  // Nobody larger is left to be asked: it is taken for what it is, and said to be so.
  return seen.mayRaise ? { judged: rejected(words) } : { judged, problem: words };
}

async function wrongWith(
  agent: AnyAgent,
  frozen: Deciding,
  { seen, text }: { readonly seen: ReplySeen; readonly text: string },
): Promise<string | undefined> {
  const tier = tierOf(frozen, seen.model);
  const said = await callFunction(agent, 'check', JSON.parse(text) as unknown, {
    input: seen.input,
    model: seen.model,
    ...(tier === undefined ? {} : { tier }),
  });
  if (said === true) return undefined;
  if (said === false) return 'a check of the application said no.';
  if (typeof said !== 'string' || said.trim() === '')
    throw functionFailed(
      agent,
      'check',
      `said ${show(said)}, which is neither true, false nor words`,
    );
  return said.slice(0, limits.toolErrorCharsMax);
}

/** Undefined where the output does not say it. */
async function confidenceIn(
  agent: AnyAgent,
  where: 'cascade' | 'stopWhen',
  { field }: ConfidencePolicy,
  text: string,
): Promise<number | undefined> {
  const output = JSON.parse(text) as unknown;
  if (field !== undefined) {
    const value = (output as Readonly<Record<string, unknown>>)[field];
    return typeof value === 'number' ? value : undefined;
  }
  const name = `${where}.confidence` as const;
  const sure = await callFunction(agent, name, output);
  if (typeof sure === 'number' && sure >= 0 && sure <= 1) return sure;
  throw functionFailed(agent, name, `said ${show(sure)}, which is no number from 0 to 1`);
}
