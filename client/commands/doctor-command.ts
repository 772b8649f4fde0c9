import { doctor, type DoctorFinding, renderDoctor } from '../../servers/index.ts';
import { readSettings, type Settings } from '../settings.ts';
import { exitCode } from './exit-codes.ts';
import { readWorkerSettingsOf } from './load-worker.ts';
import { outJson, type Terminal } from './terminal.ts';

/** Everything that `run` and `worker` need, looked at without starting any of it. */
export async function doctorCommand(
  terminal: Terminal,
  flags: { readonly json?: true },
): Promise<number> {
  let settings: Settings | undefined;
  const environment = await finding('environment', async () => {
    settings = readSettings(terminal.environment, terminal.folder);
    await Promise.resolve();
    return { state: 'good', said: `settings can be read; data in ${settings.dataFolder}` };
  });
  const model = await finding('model', async () => {
    const { openaiApiKey, openaiBaseUrl, modelDefault } = await readWorkerSettingsOf(terminal);
    if (openaiApiKey === undefined && openaiBaseUrl === undefined)
      return {
        state: 'note',
        said: 'no OPENAI_API_KEY or OPENAI_BASE_URL is set: the stand-in model answers',
      };
    return {
      state: 'good',
      said: `${openaiBaseUrl ?? "OpenAI's own endpoint"}; model by default: ${modelDefault ?? 'none (BELAYER_MODEL), so each agent names its own'}`,
    };
  });
  const report =
    settings === undefined ? { healthy: false, findings: [] } : await doctor(toOptions(settings));
  const findings = [environment, model, ...report.findings];
  const whole = {
    ...report,
    healthy: findings.every(({ state }) => state !== 'wrong'),
    findings,
  };
  if (flags.json === true) outJson(terminal, whole, 'document');
  else terminal.out(`${renderDoctor(whole).join('\n')}\n`);
  return whole.healthy ? exitCode.done : exitCode.failed;
}

function toOptions(settings: Settings): Parameters<typeof doctor>[0] {
  const { temporalAddress, databaseUrl } = settings;
  const isSecured =
    settings.temporal['tls'] !== undefined || settings.temporal['apiKey'] !== undefined;
  return {
    dataFolder: settings.dataFolder,
    temporalNamespace: settings.namespace,
    checkTemporal: !isSecured,
    ...(temporalAddress === undefined ? {} : { temporalAddress }),
    ...(databaseUrl === undefined ? {} : { databaseUrl }),
  };
}

async function finding(
  what: string,
  look: () => Promise<Omit<DoctorFinding, 'what'>>,
): Promise<DoctorFinding> {
  try {
    return { what, ...(await look()) };
  } catch (error) {
    return { what, state: 'wrong', said: (error as Error).message };
  }
}
