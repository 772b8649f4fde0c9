import type { ExtendBudgetInput, ExtendBudgetOutput } from '../contracts/agent-run.ts';
import { canonicalJson } from '../rules/canonical-json.ts';
import { extendRule } from '../storage/budgets.ts';
import { readDecision, refuseDecisionRow } from '../storage/decisions.ts';
import { sha256 } from '../storage/hash.ts';
import { storableJson } from '../storage/storable.ts';
import { asActivity } from './activity-call.ts';
import type { ActivityDependencies } from './dependencies.ts';

/**
 * Raises the ceilings of the run's own budget, or the shared one that the run asks about; the same extension
 * again changes nothing. One that has to be on record is held against its row.
 */
export function createExtendBudget({ database, worker }: ActivityDependencies) {
  return asActivity(worker, async (input: ExtendBudgetInput, call): Promise<ExtendBudgetOutput> => {
    const { number, costMicroUsd, tokens, steps, wallMs, decision, recordedOnly, ...said } = input;
    if (recordedOnly === true) {
      const row =
        decision === undefined ? undefined : await readDecision(database, call.run, decision);
      const amounts = sha256(canonicalJson({ costMicroUsd, tokens, steps, wallMs }));
      if (row?.verdict !== 'extended' || row.by !== said.by || row.bodyHash !== amounts) {
        const because =
          "The run's limits take only extensions that Belayer's client has put on record; this one is not there, or says something else.";
        await refuseDecisionRow(database, call.run, {
          position: 'budget',
          by: said.by,
          because,
          ...(decision === undefined ? {} : { decision }),
        });
        return { refused: because };
      }
    }
    if (input.budget !== undefined) {
      const { rule, customer } = input.budget;
      const because = await extendRule(database, {
        rule,
        ...(customer === undefined ? {} : { customer }),
        costMicroUsd,
        tokens,
        by: said.by,
        ...(said.reason === undefined ? {} : { reason: said.reason }),
        of: { run: call.run, number, body: { ...said, costMicroUsd, tokens, steps, wallMs } },
      });
      if (because === undefined) return {};
      await refuseDecisionRow(database, call.run, {
        position: 'budget',
        by: said.by,
        because,
        ...(decision === undefined ? {} : { decision }),
      });
      return { refused: because };
    }
    await database.query(
      { name: 'extend_budget', text: 'select belayer.extend_budget($1,$2,$3,$4,$5)' },
      [
        call.run,
        number,
        costMicroUsd,
        tokens,
        storableJson({ ...said, costMicroUsd, tokens, steps, wallMs }),
      ],
    );
    return {};
  });
}
