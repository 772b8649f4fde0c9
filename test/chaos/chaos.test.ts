/** A short schedule of each campaign, so that the suite itself cannot rot. The whole is `npm run chaos`. */
import { expect, test } from 'vitest';
import { type CampaignResult, chaosCampaign, haltsCampaign, hold } from './campaigns.ts';
import type { Calamity } from './conductor.ts';

/** All strike while runs are still being started, which takes a few at once some 15 s. */
const calamities: readonly Calamity[] = [
  { kind: 'freeze worker', afterMs: 1_500, slot: 0, lastsMs: 9_000 },
  { kind: 'kill sender', afterMs: 1_000, slot: 1, lastsMs: 0 },
  { kind: 'kill PostgreSQL', afterMs: 1_000, slot: 0, lastsMs: 500 },
];

test('runs whose tools, provider, workers and database fail all end, with every effect as told', async () => {
  const result = await hold(
    chaosCampaign({ seed: 7, runs: 20, atOnce: 5, calamity: (index) => calamities[index] }),
  );
  expectSound(result);
  expect(result.figures.calamities).toEqual({
    'freeze worker': 1,
    'kill sender': 1,
    'kill PostgreSQL': 1,
  });
});

test('nothing of a run starts after its halt was accepted, whatever it was doing', async () => {
  const result = await hold(haltsCampaign({ seed: 7, halts: 20 }));
  expectSound(result);
  expect(result.figures.haltsAccepted).toBeGreaterThan(10);
});

function expectSound({ checks, seed }: CampaignResult): void {
  for (const { holds, violations } of checks)
    expect(violations, `seed ${seed}: ${holds}`).toEqual([]);
}
