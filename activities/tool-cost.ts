/** What a tool says that one attempt cost (`ctx.cost`), summed exactly and rounded up once. */
import { toolErrorCode } from '../contracts/agent-run.ts';
import { limits } from '../contracts/limits.ts';
import { ToolError } from '../definitions/internal.ts';

export interface ToolCost {
  /**
   * Adds US dollars.
   * @throws ToolError  It is no amount of dollars. Not tried again, as it is a mistake in the tool's code.
   */
  add(usd: number): void;
  /** Of all that was added, in micro-dollars: many small amounts are not rounded each by itself. */
  microUsd(): number;
}

const usdMax = limits.runCostMicroUsdMax / 1_000_000;

export function toolCost(tool: string): ToolCost {
  let picoUsd = 0n;
  return {
    add(usd) {
      if (typeof usd !== 'number' || !(usd >= 0 && usd <= usdMax))
        throw new ToolError(toolErrorCode.failed, {
          message: `Tool \`${tool}\` reports a cost of ${shownCost(usd)}; \`ctx.cost\` takes US dollars, a number from 0 to ${usdMax} (\`runCostMicroUsdMax\`).`,
        });
      // In 1e-12 dollars, as the prices of tokens; the noise of floating point, behind 15 digits, is no money.
      picoUsd += BigInt(Math.ceil(Number((usd * 1e12).toPrecision(15))));
    },
    microUsd: () => Number((picoUsd + 999_999n) / 1_000_000n),
  };
}

const shownCost = (usd: unknown): string =>
  typeof usd === 'number' ? String(usd) : `type ${typeof usd}`;
