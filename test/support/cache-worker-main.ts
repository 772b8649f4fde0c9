/** A worker of `cache-app.ts` as a process of its own, for tests that kill and freeze it. */
import app from './cache-app.ts';
import { workUntilTold } from './work-until-told.ts';

await workUntilTold(app);
