/** What is told to people who do not watch: requests, runs without progress. */
export const announcements = /* sql */ `select 1;`;
