/** Stop flags that a human sets and lifts. */
export const stopFlags = /* sql */ `select 1;`;
