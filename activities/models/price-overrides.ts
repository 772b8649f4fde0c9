import { z } from 'zod';
import { BelayerError, failureType } from '../../contracts/failures.ts';

const usdPerMillion = z.number().finite().nonnegative().max(1_000_000);

const priceOverridesSchema = z.record(
  z.string().min(1),
  z.strictObject({
    inputUsdPerMillion: usdPerMillion,
    cachedInputUsdPerMillion: usdPerMillion.optional(),
    outputUsdPerMillion: usdPerMillion,
  }),
);

/**
 * Prices that the operator sets, by exact model name, in US dollars per million tokens. They beat every other source.
 *
 * `{ "my-model": { "inputUsdPerMillion": 0.1, "outputUsdPerMillion": 0.4 } }`; cached input costs as much as input
 * unless said otherwise.
 */
export type PriceOverrides = Readonly<z.infer<typeof priceOverridesSchema>>;

/**
 * Reads price overrides, such as the content of a JSON file.
 * @param from  Where the text comes from, for the message.
 * @throws BelayerError SettingsRejected, naming every mistake at once.
 */
export function priceOverridesFrom(text: string, from: string): PriceOverrides {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (cause) {
    throw new BelayerError(failureType.settingsRejected, `${from} is not JSON. ${example}`, {
      cause,
    });
  }
  const read = priceOverridesSchema.safeParse(value);
  if (read.success) return read.data;
  const mistakes = read.error.issues.map(
    (issue) => `${issue.path.join('.') || 'the whole'}: ${issue.message}`,
  );
  throw new BelayerError(
    failureType.settingsRejected,
    `${from} has ${mistakes.length} mistake(s): ${mistakes.join('; ')}. ${example}`,
  );
}

const example =
  'Example: { "my-model": { "inputUsdPerMillion": 0.1, "cachedInputUsdPerMillion": 0.01, "outputUsdPerMillion": 0.4 } }';
