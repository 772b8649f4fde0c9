/** A worker as a process of its own, for tests that kill it: settings from the environment. */
import app from './payment-app.ts';
import { workUntilTold } from './work-until-told.ts';

await workUntilTold(app);
