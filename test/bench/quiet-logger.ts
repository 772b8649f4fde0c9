import { DefaultLogger } from '@temporalio/worker';

/** Both sides say only what went wrong: log lines are not what is measured. */
export const quietLogger = new DefaultLogger('ERROR');
