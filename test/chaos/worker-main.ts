/** A worker of the chaos runs, as a process of its own: settings from the environment. */
import { workUntilTold } from '../support/work-until-told.ts';
import app from './chaos-app.ts';

await workUntilTold(app, 'chaos');
