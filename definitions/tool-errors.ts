/**
 * What a tool throws on purpose. Both are recognised by a registered symbol: the application may
 * have loaded another copy of this package than the worker.
 */
import { BelayerError, failureType } from '../contracts/failures.ts';
import { show } from './show.ts';

const toolErrorBrand: unique symbol = Symbol.for('belayer.tool-error');
const notDoneBrand: unique symbol = Symbol.for('belayer.not-done');

const codePattern = /^[a-z0-9_]{1,64}$/;

export interface ToolErrorOptions {
  /** For the model and the journal. Default: the code. */
  readonly message?: string;
  /** What the model could do about it. */
  readonly hint?: string;
  /** Whether the same call may succeed later: then the tool's `retry` applies. Default: false. */
  readonly retryable?: boolean;
  readonly cause?: unknown;
}

/**
 * The call failed, and the model should know why: it sees code, message and hint as data.
 *
 * It does *not* say that nothing happened: after one from a write, the outcome is unknown unless
 * `repeat` allows another attempt. Throw `NotDone` where you know that nothing happened.
 *
 * @throws BelayerError `DefinitionRejected` where the code is not 1 to 64 of `a-z 0-9 _`.
 */
export class ToolError extends Error {
  readonly [toolErrorBrand] = 1;
  readonly code: string;
  readonly hint: string | undefined;
  readonly retryable: boolean;

  constructor(code: string, options: ToolErrorOptions = {}) {
    super(options.message ?? code, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = 'ToolError';
    this.code = checkedCode(code, 'ToolError');
    this.hint = options.hint;
    this.retryable = options.retryable ?? false;
  }
}

/**
 * A write failed, and its author is certain that nothing happened: the connection was refused, the
 * other side declined. Never throw it after a timeout or a cut answer: a false `NotDone` is how an
 * effect happens twice.
 *
 * @throws BelayerError `DefinitionRejected` where the code is not 1 to 64 of `a-z 0-9 _`.
 */
export class NotDone extends Error {
  readonly [notDoneBrand] = 1;
  readonly code: string;
  readonly hint: string | undefined;
  readonly retryable: boolean;

  constructor(code: string, options: ToolErrorOptions = {}) {
    super(options.message ?? code, 'cause' in options ? { cause: options.cause } : undefined);
    this.name = 'NotDone';
    this.code = checkedCode(code, 'NotDone');
    this.hint = options.hint;
    this.retryable = options.retryable ?? false;
  }
}

export function isToolError(error: unknown): error is ToolError {
  return typeof error === 'object' && error !== null && toolErrorBrand in error;
}

export function isNotDone(error: unknown): error is NotDone {
  return typeof error === 'object' && error !== null && notDoneBrand in error;
}

function checkedCode(code: unknown, thing: string): string {
  if (typeof code === 'string' && codePattern.test(code)) return code;
  throw new BelayerError(
    failureType.definitionRejected,
    `${thing}: code ${show(code)} must be 1 to 64 of a-z, 0-9 and _, for example 'order_not_found'`,
  );
}
