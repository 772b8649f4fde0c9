/** Stands for whatever holds your orders. */
import { ToolError } from 'belayer';

const known: ReadonlyMap<string, { readonly state: string; readonly due: string }> = new Map([
  ['A-17', { state: 'shipped', due: 'tomorrow' }],
  ['A-18', { state: 'packed', due: 'in three days' }],
]);

export const orders = {
  get(id: string) {
    const order = known.get(id.toUpperCase());
    if (order !== undefined) return { id, ...order };
    throw new ToolError('no_such_order', { hint: 'Ask for the number; it begins with A-.' });
  },
};
