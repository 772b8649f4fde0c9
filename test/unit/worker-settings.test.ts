import { expect, test } from 'vitest';
import { failureType } from '../../contracts/failures.ts';
import { readWorkerSettings } from '../../workers/settings.ts';

const refusal = (environment: Readonly<Record<string, string>>): string => {
  try {
    readWorkerSettings(environment);
  } catch (error) {
    expect(error).toMatchObject({ type: failureType.settingsRejected });
    return (error as Error).message;
  }
  return 'It was taken.';
};

test('a worker is of no deployment unless it is said', () => {
  expect(readWorkerSettings({})).not.toHaveProperty('deployment');
  expect(readWorkerSettings({ BELAYER_BUILD_ID: 'any text: 1' })).not.toHaveProperty('deployment');
  const named = { BELAYER_DEPLOYMENT: 'shop', BELAYER_BUILD_ID: '2026-11-23.4f1c_2' };
  expect(readWorkerSettings(named)).toMatchObject({
    deployment: 'shop',
    buildId: '2026-11-23.4f1c_2',
  });
});

test('a deployment without a build of its own name is refused, and what Temporal would not take is too', () => {
  expect(refusal({ BELAYER_DEPLOYMENT: 'shop' })).toMatch(/BELAYER_BUILD_ID is not set: it must be set where BELAYER_DEPLOYMENT is/); // prettier-ignore
  const builds = { BELAYER_BUILD_ID: 'one:two' };
  expect(refusal({ BELAYER_DEPLOYMENT: 'shop', ...builds })).toMatch(/BELAYER_BUILD_ID is 'one:two'/); // prettier-ignore
  for (const name of ['shop.eu', 'shop:eu', '__shop', 'a'.repeat(101)])
    expect(refusal({ BELAYER_DEPLOYMENT: name, BELAYER_BUILD_ID: 'one' })).toMatch(
      /BELAYER_DEPLOYMENT is /,
    );
  // Every mistake at once.
  expect(refusal({ BELAYER_DEPLOYMENT: 'shop', BELAYER_LOG: 'loud' })).toMatch(/2 settings/);
});
