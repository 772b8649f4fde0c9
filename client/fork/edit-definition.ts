import type { PublishedAgent } from '../../contracts/definitions.ts';
import { canonicalJson } from '../../rules/canonical-json.ts';
import { promptHead } from '../../rules/render-message.ts';
import type { StoredDefinition } from '../../storage/definitions.ts';
import { sha256 } from '../../storage/hash.ts';
import type { ForkWish } from './check-fork.ts';
import { requestParametersOf } from './load-engine.ts';

export interface Variant extends PublishedAgent {
  /** By model: what a prompt begins with. */
  readonly heads: Readonly<Record<string, string>>;
}

/** The parent's definition with what a fork changes of it, of the same code; undefined where it changes nothing. */
export async function editDefinition(
  { frozen, heads }: StoredDefinition,
  { edit, models, limits }: Pick<ForkWish, 'edit' | 'models' | 'limits'>,
): Promise<Variant | undefined> {
  const { instructions } = edit;
  const speaksAnew = instructions !== undefined || models !== undefined;
  if (!speaksAnew && Object.keys(limits).length === 0) return undefined;
  // A chain of models that somebody names is tried in its order: no tier of it is chosen.
  const { tiers: _, route: _route, cascade: _cascade, ...untiered } = frozen;
  const changed = {
    ...(models === undefined ? frozen : untiered),
    ...(instructions === undefined
      ? {}
      : { instructions: { kind: 'text' as const, text: instructions } }),
    ...(models === undefined ? {} : { models }),
    limits: { ...frozen.limits, ...limits },
  };
  const variant = { hash: sha256(canonicalJson(changed)), frozen: changed };
  if (!speaksAnew)
    return {
      ...variant,
      heads: Object.fromEntries(Object.entries(heads).map(([model, { body }]) => [model, body])),
    };
  const parametersOf = await requestParametersOf();
  return {
    ...variant,
    heads: Object.fromEntries(
      changed.models.map((model) => [
        model,
        promptHead(changed, model, parametersOf(changed, model)),
      ]),
    ),
  };
}
