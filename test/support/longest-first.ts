import { BaseSequencer, type TestSpecification } from 'vitest/node';

/** Files of a minute and more, the longest first: one that begins last would run alone at the end. */
const longest = [
  'budgets-meter',
  'archive',
  'servers-embedded',
  'recovery',
  'support-inbox',
  'rerun-scenarios',
  'effects',
  'chaos',
  'deployments',
  'fork-every-position',
  'cache-flight',
  'throttling',
  'flags-outage',
  'cli-humans',
  'fork-histories',
  'near-calls',
  'tools',
  'routing',
];

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const placeOf = ({ moduleId }: TestSpecification): number => {
      const place = longest.findIndex((name) => moduleId.endsWith(`/${name}.test.ts`));
      return place < 0 ? longest.length : place;
    };
    const sorted = await super.sort(files);
    return sorted.toSorted((one, other) => placeOf(one) - placeOf(other));
  }
}
