/** `belayer run`: starts a run, carries it out in this process, and prints what it came to. */
import type { Duration } from '../../definitions/index.ts';
import { newestDefinition } from '../../storage/definitions.ts';
import { checkStart, type StartOptions } from '../check-start.ts';
import { type Belayer, belayerOn, connectParts } from '../connect.ts';
import type { Run } from '../run.ts';
import { chooseAgent } from './choose-agent.ts';
import { exitCode } from './exit-codes.ts';
import { followRun } from './follow-run.ts';
import { type Interrupts, watchInterrupts } from './interrupts.ts';
import { loadApplicationOf, type LoadedApplication, startWorkerOf } from './load-worker.ts';
import { parseRunWords } from './parse-run-words.ts';
import { readRunInput } from './read-run-input.ts';
import { reportRun } from './report-run.ts';
import { outJson, type Terminal } from './terminal.ts';

export interface RunFlags {
  readonly app?: string;
  readonly agent?: string;
  readonly input?: string;
  readonly customer?: string;
  readonly key?: string;
  readonly costUsd?: number;
  readonly steps?: number;
  readonly tokens?: number;
  readonly wall?: string;
  /** False with `--no-worker`. */
  readonly worker: boolean;
  readonly detach?: true;
  /** False with `--no-wait`. */
  readonly wait: boolean;
  readonly stream?: true;
  readonly json?: true;
}

export async function runCommand(
  terminal: Terminal,
  words: readonly string[],
  flags: RunFlags,
): Promise<number> {
  const { file, text } = parseRunWords(words, { app: flags.app, folder: terminal.folder });
  const isWorkedHere = flags.worker && flags.detach !== true;
  const application =
    isWorkedHere || file !== undefined || flags.agent === undefined
      ? await loadApplicationOf(terminal, file)
      : undefined;
  const agent = application && chooseAgent(application.app, flags.agent);
  // A wrong input is told before any server is started.
  const given = { text, input: flags.input };
  const read = agent && { input: await readRunInput(given, agent.data.inputSchema, terminal) };
  if (agent !== undefined) checkStart(agent.name, startOptions(read?.input, flags));
  let run: Run | undefined;
  const interrupts = watchInterrupts(terminal, () =>
    terminal.note(interruptedNote(run, file, isWorkedHere)),
  );
  try {
    const place = await openPlace(terminal, isWorkedHere ? application : undefined, interrupts);
    try {
      const name = agent?.name ?? flags.agent ?? '';
      const input = read?.input ?? (await place.readInput(name, given));
      run = await place.belayer.start(name, startOptions(input, flags));
      if (flags.detach === true) {
        if (flags.json === true) outJson(terminal, { run: run.id }, 'document');
        else terminal.out(`${run.id}\n`);
        return exitCode.done;
      }
      terminal.note(`Run ${run.id}`);
      const talks = terminal.isInteractive && flags.wait && flags.json !== true;
      const followed = await followRun(terminal, run, {
        deltas: flags.stream === true,
        atRequest: flags.wait ? 'ask' : 'leave',
        talks,
        signal: AbortSignal.any([interrupts.signal, place.lost.signal]),
      });
      if (place.lost.signal.aborted && !interrupts.signal.aborted) throw place.lost.signal.reason;
      return await reportRun(terminal, run, followed, {
        isJson: flags.json === true,
        isTold: talks,
      });
    } finally {
      await place.close();
    }
  } catch (error) {
    if (interrupts.signal.aborted && run === undefined) return exitCode.interrupted;
    throw error;
  } finally {
    interrupts.end();
  }
}

/** Where a run is started: on a worker of this process, or on a connection alone. */
interface Place {
  readonly belayer: Belayer;
  /** Aborted when the worker ends by itself. */
  readonly lost: AbortController;
  /** For an agent that only the database knows. */
  readInput(
    agent: string,
    given: { readonly text: string | undefined; readonly input: string | undefined },
  ): Promise<unknown>;
  close(): Promise<void>;
}

export async function openPlace(
  terminal: Terminal,
  application: LoadedApplication | undefined,
  { signal }: Interrupts,
): Promise<Place> {
  const lost = new AbortController();
  if (application !== undefined) {
    // Its events are shown as they happen: warnings would say the same again.
    const worker = await startWorkerOf(terminal, application, { signal, logLevel: 'error' });
    if (worker.notice !== undefined) terminal.note(worker.notice);
    worker.running.catch((error: unknown) => lost.abort(error));
    return {
      belayer: worker.client,
      lost,
      readInput: () => Promise.reject(new Error('The application of a worker is known.')),
      close: () => worker.stop().catch(() => undefined),
    };
  }
  const parts = await connectParts({
    environment: terminal.environment,
    log: (line) => terminal.note(line),
    signal,
  });
  return {
    belayer: belayerOn(parts),
    lost,
    async readInput(agent, given) {
      const published = await newestDefinition(parts.database, agent);
      return readRunInput(given, published?.frozen.inputSchema, terminal);
    },
    close: () => parts.close(),
  };
}

function startOptions(input: unknown, flags: RunFlags): StartOptions<never> {
  const { customer, key, costUsd, steps, tokens, wall } = flags;
  const limits = {
    ...(costUsd === undefined ? {} : { costUsd }),
    ...(steps === undefined ? {} : { steps }),
    ...(tokens === undefined ? {} : { tokens }),
    // Its spelling is checked by `start`, which names the mistake.
    ...(wall === undefined ? {} : { wall: wall as Duration }),
  };
  return {
    // Its type is known to the agent's schema alone, which `start` checks it against.
    input: input as never,
    ...(customer === undefined ? {} : { customer }),
    ...(key === undefined ? {} : { key }),
    ...(Object.keys(limits).length === 0 ? {} : { limits }),
  };
}

export function interruptedNote(
  run: Run | undefined,
  file: string | undefined,
  isWorkedHere: boolean,
): string {
  if (run === undefined) return '\nInterrupted: nothing was started.';
  const worker = `belayer worker${file === undefined ? '' : ` --app ${file}`}`;
  return `\nInterrupted. ${isWorkedHere ? `Run ${run.id} goes on when a worker does: ${worker}` : `Run ${run.id} goes on elsewhere.`}
Halt it: belayer halt ${run.id} --reason TEXT. Follow it: belayer watch ${run.id}. Ctrl-C again ends this at once.`;
}
