import { BelayerError, failureType } from '../contracts/failures.ts';

/**
 * The mistakes of one definition, collected so that a developer sees all of them at once.
 *
 * Each names the thing, the value and the limit, as a sentence without a full stop.
 */
export class Mistakes {
  readonly #found: string[] = [];

  add(mistake: string): void {
    if (!this.#found.includes(mistake)) this.#found.push(mistake);
  }

  /**
   * @param subject what was defined: "Tool `refund`".
   * @throws BelayerError `DefinitionRejected`, where anything was added.
   */
  throwIfAny(subject: string): void {
    const count = this.#found.length;
    if (count === 0) return;
    const title = `${subject}: ${count} ${count === 1 ? 'mistake' : 'mistakes'}`;
    const lines = this.#found.map((mistake) => `\n  - ${mistake}`);
    throw new BelayerError(failureType.definitionRejected, title + lines.join(''));
  }
}
