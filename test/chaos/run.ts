/**
 * `npm run chaos`: agents at work while their tools, their provider, their workers and their servers
 * fail by seed, and what must hold all the same. `README.md` says what is asserted.
 */
import {
  type Campaign,
  chaosCampaign,
  fiveToolsCampaign,
  haltsCampaign,
  hold,
} from './campaigns.ts';
import { type ChaosOptions, readChaosOptions, usage } from './chaos-options.ts';
import { isSound, renderResult } from './report.ts';

const runsDefault = 200;
const haltsDefault = 200;
const fiveToolRunsDefault = 3_000;

function campaignsOf(options: ChaosOptions): readonly Campaign[] {
  const { seed, runs, halts, toolsAt, minutes } = options;
  if (toolsAt !== undefined)
    return [fiveToolsCampaign({ seed, runs: runs ?? fiveToolRunsDefault, toolsAt })];
  if (halts !== undefined) return [haltsCampaign({ seed, halts })];
  return [
    chaosCampaign({
      seed,
      runs: runs ?? (minutes === undefined ? runsDefault : Infinity),
      ...(minutes === undefined ? {} : { startMsMax: minutes * 60_000 }),
    }),
    haltsCampaign({ seed, halts: haltsDefault }),
  ];
}

let options: ChaosOptions;
try {
  if (process.argv.includes('--help')) {
    console.log(usage);
    process.exit(0);
  }
  options = readChaosOptions(process.argv.slice(2));
} catch (error) {
  console.error(`${(error as Error).message}\n\n${usage}`);
  process.exit(2);
}

const results = [];
for (const campaign of campaignsOf(options)) {
  process.stderr.write(`${campaign.name}, seed ${campaign.seed} ...\n`);
  const result = await hold(campaign, options.log);
  results.push(result);
  if (!options.json) console.log(`\n${renderResult(result)}\n`);
}
const sound = results.every((result) => isSound(result));
if (options.json) console.log(JSON.stringify({ sound, seed: options.seed, results }, null, 2));
else
  console.log(
    sound
      ? 'Everything held.'
      : `Something did not hold: --seed ${options.seed} makes the same schedule.`,
  );
process.exit(sound ? 0 : 1);
