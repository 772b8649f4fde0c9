/** A worker of `budget-app.ts` as a process of its own, for tests that kill it. */
import app from './budget-app.ts';
import { workUntilTold } from './work-until-told.ts';

await workUntilTold(app);
