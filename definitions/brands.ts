/**
 * How a tool, an agent and an application are recognised: by a registered symbol, never by
 * `instanceof`. An application may load another copy of this package than the worker that runs it
 * (a packed tarball, a linked folder), and both copies must know each other's definitions.
 */
export const toolBrand: unique symbol = Symbol.for('belayer.tool');
export const agentBrand: unique symbol = Symbol.for('belayer.agent');
export const appBrand: unique symbol = Symbol.for('belayer.app');

export function hasBrand(value: unknown, brand: symbol): boolean {
  return typeof value === 'object' && value !== null && brand in value;
}
