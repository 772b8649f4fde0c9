import { WrongUsage } from './exit-codes.ts';
import type { StopTarget } from '../stop-flags.ts';

export interface TargetFlags {
  readonly customer?: string;
  readonly agent?: string;
  readonly all?: true;
}

/**
 * What a command is about: a run, or all runs of one customer, of one agent, or of everybody.
 * Undefined: the run that was named.
 * @throws WrongUsage  Not exactly one of them.
 */
export function chooseTarget(
  flags: TargetFlags,
  run?: { readonly id: string | undefined },
): StopTarget | undefined {
  const given = [
    ...(run?.id === undefined ? [] : [undefined]),
    ...(flags.customer === undefined ? [] : [{ customer: flags.customer }]),
    ...(flags.agent === undefined ? [] : [{ agent: flags.agent }]),
    ...(flags.all === undefined ? [] : [{ installation: true } as const]),
  ];
  if (given.length !== 1)
    throw new WrongUsage(
      `Give exactly one of ${run === undefined ? '' : 'a run, '}--customer NAME, --agent NAME, --all; ${given.length === 0 ? 'none is' : `${given.length} are`} given.`,
    );
  return given[0];
}
