import { limits } from '../../contracts/limits.ts';
import type { Difference, PromptPart } from './run-diff.ts';
import type { PromptBody, TrailMessage } from './trail.ts';
import { type ValueDifference, valueDifferences } from './value-differences.ts';

/** Compares prompts; remembers how far two transcripts are equal, since a prompt is a prefix of the next. */
export function createPromptComparison(): (a: PromptBody, b: PromptBody) => readonly Difference[] {
  const equal = new Map<readonly TrailMessage[], Map<readonly TrailMessage[], number>>();
  const equalMessages = (a: readonly TrailMessage[], b: readonly TrailMessage[]): number => {
    const known = equal.get(a)?.get(b);
    if (known !== undefined) return known;
    const differing = a.findIndex((message, index) => message.text !== b[index]?.text);
    const count = differing < 0 ? a.length : differing;
    equal.set(a, (equal.get(a) ?? new Map<readonly TrailMessage[], number>()).set(b, count));
    return count;
  };
  return (a, b) => [...headDifferences(a, b), ...messageDifferences(a, b, equalMessages(a.messages, b.messages))]; // prettier-ignore
}

function headDifferences(a: PromptBody, b: PromptBody): readonly Difference[] {
  if (a.body === b.body && a.system === b.system) return [];
  const max = limits.diffPathsMax;
  return [
    ...valueDifferences(a.system, b.system, max, 'messages[0]').map(differing('instructions')),
    ...valueDifferences(a.body, b.body, max).map((found) => differing(partOf(found.path))(found)),
  ];
}

function partOf(path: string): PromptPart {
  const [name = ''] = /^[\w]*/.exec(path) ?? [];
  return partByName.get(name) ?? 'parameters';
}

const partByName: ReadonlyMap<string, PromptPart> = new Map([
  ['model', 'model'],
  ['tools', 'tools'],
  ['response_format', 'output schema'],
]);

/** Only the first message that differs: what follows it was said to models that knew other things. */
function messageDifferences(a: PromptBody, b: PromptBody, equal: number): readonly Difference[] {
  const first = Math.min(equal, a.length, b.length);
  const one = first < a.length ? a.messages[first] : undefined;
  const other = first < b.length ? b.messages[first] : undefined;
  if (one === undefined && other === undefined) return [];
  const shift = (body: PromptBody): number => (body.system === undefined ? 0 : 1);
  const path = `messages[${first + shift(a)}]`;
  return valueDifferences(one?.value, other?.value, limits.diffPathsMax, path).map((found) => ({
    ...differing('message')(found),
    messageOf: (one ?? other)?.at ?? '',
  }));
}

const differing =
  (part: PromptPart) =>
  ({ path, a, b }: ValueDifference): Difference => ({
    field: 'prompt',
    part,
    path,
    ...(a === undefined ? {} : { a }),
    ...(b === undefined ? {} : { b }),
  });
