import { limits } from '../contracts/limits.ts';
import { hasBrand, toolBrand } from './brands.ts';
import type { FieldReader } from './field-reader.ts';
import { checkKeys } from './known-keys.ts';
import type { Mistakes } from './mistakes.ts';
import { show } from './show.ts';
import type { FallbackTool, Tool } from './tool.ts';

/** The tools that run in place of one, in their order. Undefined where it names none. */
export function readFallbacks(
  { name, effect, fallback }: Readonly<Record<string, unknown>>,
  read: FieldReader,
  mistakes: Mistakes,
): readonly FallbackTool[] | undefined {
  if (fallback === undefined) return undefined;
  if (!Array.isArray(fallback) || fallback.length === 0) {
    mistakes.add(
      `\`fallback\` must be a list of at least one { tool, input? }; ${show(fallback)} is not`,
    );
    return undefined;
  }
  if (fallback.length > limits.toolFallbacksMax) {
    mistakes.add(
      `\`fallback\` has ${fallback.length}; \`toolFallbacksMax\` is ${limits.toolFallbacksMax}`,
    );
  }
  const found: FallbackTool[] = [];
  for (const [index, value] of (fallback as unknown[]).entries()) {
    const where = `fallback[${index}]`;
    if (hasBrand(value, toolBrand)) {
      mistakes.add(
        `\`${where}\` is the tool \`${(value as Tool).name}\`; write { tool: ${(value as Tool).name} }`,
      );
      continue;
    }
    const fields = read.object(where, value);
    checkKeys(fields, { where: `${where}.`, known: ['tool', 'input'] }, mistakes);
    const { tool, input } = fields;
    if (input !== undefined && typeof input !== 'function') {
      mistakes.add(`\`${where}.input\` must be a function of the input; ${show(input)} is not`);
    }
    if (!hasBrand(tool, toolBrand)) {
      mistakes.add(`\`${where}.tool\` was not made by defineTool: ${show(tool)}`);
      continue;
    }
    const stand = tool as Tool;
    const problem = unfit(stand, {
      effect,
      taken: [name, ...found.map((other) => other.tool.name)],
    });
    if (problem === undefined)
      found.push(
        Object.freeze({ tool: stand, ...(input === undefined ? {} : { input }) }) as FallbackTool,
      );
    else mistakes.add(`\`${where}\`: \`${stand.name}\` ${problem}`);
  }
  return Object.freeze(found);
}

/** Why a tool cannot run in place of another one. */
function unfit(
  tool: Tool,
  { effect, taken }: { readonly effect: unknown; readonly taken: readonly unknown[] },
): string | undefined {
  if (tool.child !== undefined) return 'stands for a sub-agent, which cannot be a fallback';
  if (tool.data.question === true) return 'asks a human; `critical: true` does that';
  if (tool.fallbacks !== undefined)
    return 'has fallbacks of its own; list them here, in the order in which they are tried';
  if (tool.data.effect === 'write' && effect !== 'write')
    return 'is a write, and cannot stand for a tool that changes nothing';
  if (taken.includes(tool.name)) return 'is named twice, or is the tool itself';
  return undefined;
}

/** Tools that serve others as a fallback, and that are not offered to the model. */
export function hiddenToolsOf(offered: readonly Tool[]): readonly Tool[] {
  const all = new Set(offered);
  for (const tool of offered) for (const stand of tool.fallbacks ?? []) all.add(stand.tool);
  return [...all].slice(offered.length);
}
