/** A worker of `overload-app.ts` as a process of its own, for tests that kill it. */
import app from './overload-app.ts';
import { workUntilTold } from './work-until-told.ts';

await workUntilTold(app);
