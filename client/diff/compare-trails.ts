/**
 * Compares two trails, call by call.
 *
 * What counts is what was sent, answered, done, decided and given out. How often something was tried, what
 * it cost and how long it took is told, and makes no two runs different: a provider's bad day is no change.
 */
import { limits } from '../../contracts/limits.ts';
import { createPromptComparison } from './compare-prompts.ts';
import { compareCalls, keyOf } from './order-positions.ts';
import { besideFork } from './read-trail.ts';
import type { CallDiff, Difference, DifferingField, RunDiff } from './run-diff.ts';
import type { ModelTrailCall, ToolTrailCall, Trail, TrailCall } from './trail.ts';
import { valueDifferences } from './value-differences.ts';

export function compareTrails(one: Trail, other: Trail): RunDiff {
  const { trail: ofOne, fork: b } = besideFork(one, other);
  const { trail: ofB, fork: a } = besideFork(b, ofOne);
  return compareWhole(a, ofB);
}

function compareWhole(a: Trail, b: Trail): RunDiff {
  const comparePrompts = createPromptComparison();
  const calls = paired(a, b).map(([one, other]): CallDiff => {
    const position = (one ?? other)?.position ?? '';
    const [promptA, promptB] = [a.prompts.get(position), b.prompts.get(position)];
    const prompts =
      one?.kind === 'model' &&
      other?.kind === 'model' &&
      promptA !== undefined &&
      promptB !== undefined
        ? comparePrompts(promptA, promptB)
        : [];
    return {
      position,
      ...(one === undefined ? {} : { a: one }),
      ...(other === undefined ? {} : { b: other }),
      differences: [...prompts, ...differencesOf(one, other)],
      asides: asidesOf(one, other, prompts.length === 0),
    };
  });
  const end = [
    ...compared('outcome', outcomeOf(a), outcomeOf(b)),
    ...compared('output', a.end.output, b.end.output),
  ];
  const parting = calls.findIndex(({ differences }) => differences.length > 0);
  const deciding = calls.find(({ differences }) => differences.some(isDecision));
  return {
    a: { ...a.head, ...a.end },
    b: { ...b.head, ...b.end },
    same: parting < 0 && end.length === 0,
    sameCalls: calls.slice(0, parting < 0 ? calls.length : parting).filter(isCall).length,
    ...(parting < 0 ? {} : { partsAt: calls[parting]?.position ?? '' }),
    ...(deciding === undefined ? {} : { decisionsPartAt: deciding.position }),
    calls,
    end,
  };
}

const isDecision = ({ field }: Difference): boolean => field !== 'prompt' && field !== 'model';

const isCall = ({ a, b }: CallDiff): boolean => {
  const kind = (a ?? b)?.kind;
  return kind === 'model' || kind === 'tool' || kind === 'child';
};

/** Both trails' calls side by side, in order. */
function paired(
  a: Trail,
  b: Trail,
): readonly (readonly [TrailCall | undefined, TrailCall | undefined])[] {
  const ofA = new Map(a.calls.map((call) => [keyOf(call), call]));
  const ofB = new Map(b.calls.map((call) => [keyOf(call), call]));
  const onlyB = b.calls.filter((call) => !ofA.has(keyOf(call)));
  return [...a.calls, ...onlyB]
    .toSorted(compareCalls)
    .map((call) => [ofA.get(keyOf(call)), ofB.get(keyOf(call))]);
}

/** Of an ended run what it came to, without the hash of an output that is compared itself. */
function outcomeOf({ end }: Trail): unknown {
  if (end.outcome === undefined) return { kind: end.state };
  return end.outcome.kind === 'done' ? { kind: 'done' } : end.outcome;
}

function differencesOf(a: TrailCall | undefined, b: TrailCall | undefined): readonly Difference[] {
  if (a === undefined || b === undefined)
    return [{ field: 'call', path: '', ...(a === undefined ? {} : { a: a.kind }), ...(b === undefined ? {} : { b: b.kind }) }]; // prettier-ignore
  if (a.kind === 'model' && b.kind === 'model')
    return [
      ...compared('model', a.model, b.model),
      ...compared('reply', a.reply, b.reply),
      ...unfinished(a, b),
    ];
  if (isTool(a) && isTool(b))
    return [
      ...compared('call', a.kind, b.kind),
      ...compared('tool', a.tool, b.tool),
      ...argumentsDifferences(a, b),
      ...compared('result', a.result, b.result),
      ...unfinished(a, b),
    ];
  if (a.kind === 'request' && b.kind === 'request')
    return [
      ...compared('request', a.request, b.request),
      ...compared('tool', a.tool, b.tool),
      ...compared('arguments', a.arguments, b.arguments),
      ...compared('verdict', a.verdict, b.verdict),
      ...compared('reason', a.reason, b.reason),
      ...compared('edited', a.edited, b.edited),
    ];
  if (a.kind === 'words' && b.kind === 'words') return compared('text', a.text, b.text);
  return [{ field: 'call', path: '', a: a.kind, b: b.kind }];
}

const isTool = (call: TrailCall): call is ToolTrailCall =>
  call.kind === 'tool' || call.kind === 'child';

/** Where one side kept only a hash, equal hashes say that they are equal, and that is all. */
function argumentsDifferences(a: ToolTrailCall, b: ToolTrailCall): readonly Difference[] {
  if (a.argumentsHash === undefined && b.argumentsHash === undefined)
    return compared('arguments', a.arguments, b.arguments);
  if (a.argumentsHash === b.argumentsHash) return [];
  return compared('arguments', a.arguments ?? hashed(a), b.arguments ?? hashed(b));
}

const hashed = ({ argumentsHash }: ToolTrailCall): string => `(SHA-256 ${argumentsHash ?? ''})`;

/** Of calls that have no result, what is known in its place. */
function unfinished(
  a: ModelTrailCall | ToolTrailCall,
  b: ModelTrailCall | ToolTrailCall,
): readonly Difference[] {
  if (a.state === 'done' && b.state === 'done') return [];
  const known = (call: ModelTrailCall | ToolTrailCall): unknown =>
    call.state === 'done' ? call.state : { state: call.state, code: call.attempts.at(-1)?.code };
  return compared('state', known(a), known(b));
}

function asidesOf(
  a: TrailCall | undefined,
  b: TrailCall | undefined,
  isPromptEqual: boolean,
): readonly Difference[] {
  if (a === undefined || b === undefined || a.kind !== b.kind) return [];
  if (a.kind === 'request' && b.kind === 'request') return compared('by', a.by, b.by);
  if (a.kind === 'words' || b.kind === 'words' || a.kind === 'request' || b.kind === 'request')
    return [];
  const spelling: readonly Difference[] =
    a.kind === 'model' && b.kind === 'model' && isPromptEqual && a.prompt?.hash !== b.prompt?.hash
      ? [{ field: 'prompt', part: 'spelling', path: 'hash', a: a.prompt?.hash, b: b.prompt?.hash }]
      : [];
  return [
    ...spelling,
    ...compared('attempts', a.attempts, b.attempts),
    ...compared('cost', a.costMicroUsd, b.costMicroUsd),
    ...(a.kind === 'model' && b.kind === 'model'
      ? compared('tokens', { input: a.inputTokens, output: a.outputTokens }, { input: b.inputTokens, output: b.outputTokens }) // prettier-ignore
      : []),
  ];
}

const compared = (field: DifferingField, a: unknown, b: unknown): readonly Difference[] =>
  valueDifferences(a, b, limits.diffPathsMax).map(({ path, a: one, b: other }) => ({
    field,
    path,
    ...(one === undefined ? {} : { a: one }),
    ...(other === undefined ? {} : { b: other }),
  }));
