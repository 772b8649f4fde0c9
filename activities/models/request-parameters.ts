import type { FrozenAgent } from '../../contracts/definitions.ts';
import { outputLimitParameter, temperatureFor } from './temperature.ts';

/** Temperature 0 where the model takes one, and the output limit that a reservation rests on. */
export function requestParameters(
  frozen: FrozenAgent,
  model: string,
): Readonly<Record<string, unknown>> {
  const accepted = temperatureFor(model);
  const temperature = frozen.temperature ?? accepted;
  return {
    ...(accepted === undefined || temperature === undefined ? {} : { temperature }),
    [outputLimitParameter(model)]: frozen.limits.outputTokens,
  };
}
