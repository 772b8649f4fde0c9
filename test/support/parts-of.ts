import type { Parts } from '../../client/parts.ts';
import type { World } from './world.ts';

/** What the client's own functions stand on, in a world. */
export const partsOf = ({ belayer, database, temporal }: World): Parts => ({
  settings: belayer.settings,
  database,
  temporal,
  by: 'tester',
  eagerStart: false,
  close: () => Promise.resolve(),
});
