import { failureType } from '../contracts/failures.ts';
import type { RouteModelOutput } from '../contracts/routing.ts';
import type { NextStep } from '../rules/decide-next-step.ts';
import { afterFailure, afterRouted } from '../rules/transitions.ts';
import { bookkeeping } from './activity-proxies.ts';
import type { AgentRun } from './agent-run.ts';
import { landing } from './flights.ts';

/** Asks the application which model the next step begins with. */
export async function routeStep(
  run: AgentRun,
  { position, facts }: Extract<NextStep, { readonly kind: 'route' }>,
): Promise<void> {
  const { definition, customer } = run.input;
  const { chain } = run.state.transcript;
  const landed = await landing<RouteModelOutput>(run, 'again', () => ({
    near: true,
    result: bookkeeping.routeModel({
      position,
      definition,
      chain,
      ...(customer === undefined ? {} : { customer }),
      facts,
    }),
  }));
  switch (landed.kind) {
    case 'landed': {
      const { value } = landed;
      return run.change((state) =>
        value.kind === 'routed'
          ? afterRouted(state, value)
          : afterFailure(state, failureType.functionFailed, value.problem),
      );
    }
    case 'failed': {
      const { type, message } = landed.failed;
      return run.change((state) => afterFailure(state, type, message));
    }
    case 'aborted':
      // A halt: the loop sees it.
      return;
  }
}
