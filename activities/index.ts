/** Acts: the side effects that a workflow may ask for. Built once per worker. */
import { createCallModel } from './call-model.ts';
import { createCloseChild, createOpenChild } from './child-runs.ts';
import type { ActivityDependencies } from './dependencies.ts';
import { createExtendBudget } from './extend-budget.ts';
import { createCloseRequest, createEscalateRequest, createOpenRequest } from './human-requests.ts';
import {
  createCloseRun,
  createInterruptCalls,
  createNoteEvent,
  createNoteWaiting,
  createRaiseFlag,
} from './run-end.ts';
import { createMayMove } from './may-move.ts';
import { createProposeFallback } from './propose-fallback.ts';
import { createRouteModel } from './route-model.ts';
import { createRunTool } from './run-tool.ts';
import { createReadOutput, createStartRun } from './start-run.ts';

/** The keys are activity types: they reach histories and are never renamed. */
export function createActivities(deps: ActivityDependencies) {
  return {
    callModel: createCallModel(deps),
    routeModel: createRouteModel(deps),
    runTool: createRunTool(deps),
    proposeFallback: createProposeFallback(deps),
    openRequest: createOpenRequest(deps),
    closeRequest: createCloseRequest(deps),
    escalateRequest: createEscalateRequest(deps),
    openChild: createOpenChild(deps),
    closeChild: createCloseChild(deps),
    raiseFlag: createRaiseFlag(deps),
    noteWaiting: createNoteWaiting(deps),
    noteEvent: createNoteEvent(deps),
    extendBudget: createExtendBudget(deps),
    interruptCalls: createInterruptCalls(deps),
    closeRun: createCloseRun(deps),
    startRun: createStartRun(deps),
    readOutput: createReadOutput(deps),
    mayMove: createMayMove(deps),
  };
}

export type Activities = ReturnType<typeof createActivities>;
