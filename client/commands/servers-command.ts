import { stopServers } from '../../servers/index.ts';
import { readSettings } from '../settings.ts';
import { exitCode } from './exit-codes.ts';
import { outJson, type Terminal } from './terminal.ts';

export async function stopServersCommand(
  terminal: Terminal,
  flags: { readonly json?: true },
): Promise<number> {
  const { dataFolder } = readSettings(terminal.environment, terminal.folder);
  const report = await stopServers(dataFolder);
  if (flags.json === true) outJson(terminal, { dataFolder, ...report }, 'document');
  else
    terminal.out(
      report.stopped === 'nothing'
        ? `No embedded servers of ${dataFolder} were running.\n`
        : `The embedded servers of ${dataFolder} are stopped.\n`,
    );
  return exitCode.done;
}
