/** What humans say to runs: decisions, answers, messages. */
export const humans = /* sql */ `select 1;`;
