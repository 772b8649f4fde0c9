/** A child process that is asked and answers: one request, one reply, by name. */
import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';

interface Question {
  readonly id: number;
  readonly name: string;
  readonly argument: unknown;
}
interface Answer {
  readonly id: number;
  readonly value?: unknown;
  readonly error?: string;
}

type Handlers = Readonly<Record<string, (argument: never) => Promise<unknown>>>;

/** The child's side. A child whose parent is gone ends itself; so does one that has answered `stop`. */
export function answerParent(handlers: Handlers): void {
  process.on('disconnect', () => process.exit(1));
  // A Ctrl-C reaches the whole group; the parent tells its children in order.
  process.on('SIGINT', () => undefined);
  const reply = (answer: Answer): Promise<void> =>
    new Promise((resolve) => process.send?.(answer, () => resolve()));
  process.on('message', ({ id, name, argument }: Question) => {
    const handler = handlers[name];
    const work =
      handler === undefined
        ? Promise.reject(new Error(`No ${name} here.`))
        : handler(argument as never);
    void work
      .then(
        (value) => reply({ id, value }),
        (error: unknown) =>
          reply({
            id,
            error: error instanceof Error ? (error.stack ?? error.message) : String(error),
          }),
      )
      .then(() => {
        if (name === 'stop') process.exit(0);
      });
  });
  void reply({ id: 0 });
}

export interface Child {
  readonly pid: number;
  ask<Value>(name: string, argument?: unknown): Promise<Value>;
  /** Asks it to end, and kills it where it does not within `stopMsMax`. */
  stop(): Promise<void>;
}

const startMsMax = 60_000;
const stopMsMax = 45_000;

export interface ChildOptions {
  readonly environment?: Readonly<Record<string, string>>;
  /** Folder for a processor profile, written when the child ends. */
  readonly profile?: string;
}

/** Starts `main` of this folder, and resolves once it answers. */
export async function startChild(main: string, options: ChildOptions = {}): Promise<Child> {
  const file = fileURLToPath(new URL(main, import.meta.url));
  const profiling =
    options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`];
  const child = fork(file, [], {
    execArgv: ['--import', 'tsx', ...profiling],
    env: { ...process.env, ...options.environment },
    stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  });
  const waiting = new Map<number, (answer: Answer) => void>();
  let sequence = 0;
  const ended = new Promise<void>((resolve) => {
    child.once('exit', (code, signal) => {
      for (const [id, settle] of waiting)
        settle({ id, error: `${main} ended early (${code ?? signal}).` });
      resolve();
    });
  });
  const answerTo = (id: number): Promise<Answer> =>
    new Promise((resolve) => waiting.set(id, resolve));
  const started = answerTo(0);
  child.on('message', (answer: Answer) => {
    waiting.get(answer.id)?.(answer);
    waiting.delete(answer.id);
  });
  const late = setTimeout(() => child.kill('SIGKILL'), startMsMax);
  const first = await started;
  clearTimeout(late);
  if (first.error !== undefined) throw new Error(first.error);
  return {
    pid: pidOf(child),
    async ask<Value>(name: string, argument?: unknown) {
      sequence += 1;
      const answer = answerTo(sequence);
      child.send({ id: sequence, name, argument } satisfies Question);
      const { value, error } = await answer;
      if (error !== undefined) throw new Error(`${main}: ${error}`);
      return value as Value;
    },
    async stop() {
      if (child.exitCode === null && child.signalCode === null && child.connected) {
        const kill = setTimeout(() => child.kill('SIGKILL'), stopMsMax);
        child.send({ id: -1, name: 'stop', argument: undefined } satisfies Question);
        await ended;
        clearTimeout(kill);
      }
    },
  };
}

function pidOf(child: ChildProcess): number {
  if (child.pid === undefined) throw new Error('The child process did not start.');
  return child.pid;
}
