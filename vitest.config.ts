import { fileURLToPath } from 'node:url';
import { defineConfig } from 'vitest/config';
import { LongestFirst } from './test/support/longest-first.ts';

const at = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

/** The package's own exports, from its source. */
const alias = [
  { find: /^belayer$/, replacement: at('./definitions/index.ts') },
  { find: /^belayer\/client$/, replacement: at('./client/index.ts') },
  { find: /^belayer\/worker$/, replacement: at('./workers/index.ts') },
  { find: /^belayer\/workflow$/, replacement: at('./workflows/run-agent.ts') },
  { find: /^belayer\/testing$/, replacement: at('./testing/index.ts') },
];

export default defineConfig({
  resolve: { alias },
  test: {
    sequence: { sequencer: LongestFirst },
    projects: [
      {
        extends: true,
        test: { name: 'unit', include: ['test/unit/**/*.test.ts'], testTimeout: 20_000 },
      },
      {
        extends: true,
        test: { name: 'replay', include: ['test/replay/**/*.test.ts'], testTimeout: 60_000 },
      },
      {
        extends: true,
        test: {
          name: 'integration',
          include: ['test/integration/**/*.test.ts', 'test/chaos/**/*.test.ts'],
          testTimeout: 120_000,
          hookTimeout: 240_000,
          // Each file starts servers of its own and mostly waits for them: two at once on two cores.
          maxWorkers: 2,
        },
      },
    ],
  },
});
