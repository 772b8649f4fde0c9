import { spawn } from 'node:child_process';
import { serverLimits } from './server-limits.ts';

export interface CommandResult {
  /** The exit code; undefined when it could not start, was killed, or took too long. */
  readonly code: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
  /** Why there is no exit code. */
  readonly problem?: string;
}

export interface CommandOptions {
  readonly msMax?: number;
  readonly env?: NodeJS.ProcessEnv;
  readonly cwd?: string;
  readonly uid?: number;
  readonly gid?: number;
}

/** Runs a short command without a shell, with an end to its time and its output. Never throws: the caller judges. */
export function runCommand(
  command: string,
  args: readonly string[],
  options: CommandOptions = {},
): Promise<CommandResult> {
  const msMax = options.msMax ?? serverLimits.commandMsMax;
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      stdio: ['ignore', 'pipe', 'pipe'],
      env: options.env ?? process.env,
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.uid === undefined ? {} : { uid: options.uid }),
      ...(options.gid === undefined ? {} : { gid: options.gid }),
    });
    let stdout = '';
    let stderr = '';
    let problem: string | undefined;
    const timer = setTimeout(() => {
      problem = `it took longer than ${msMax / 1000} s`;
      child.kill('SIGKILL');
      // A grandchild may hold the pipes open for ever; the answer is known now.
      finish(null);
    }, msMax);
    const finish = (code: number | null): void => {
      clearTimeout(timer);
      child.stdout?.destroy();
      child.stderr?.destroy();
      resolve({
        code: problem === undefined ? (code ?? undefined) : undefined,
        stdout,
        stderr,
        ...(problem === undefined ? {} : { problem }),
      });
    };
    child.stdout?.on(
      'data',
      (chunk: Buffer) =>
        (stdout = (stdout + chunk.toString()).slice(-serverLimits.commandOutputBytesMax)),
    );
    child.stderr?.on(
      'data',
      (chunk: Buffer) =>
        (stderr = (stderr + chunk.toString()).slice(-serverLimits.commandOutputBytesMax)),
    );
    child.on('error', (error) => {
      problem = error.message;
      finish(null);
    });
    child.on('close', (code, signal) => {
      if (signal !== null) problem ??= `it was ended by ${signal}`;
      finish(code);
    });
  });
}

/** The last lines of what a failed command said, for an error message. */
export function lastWords(result: CommandResult, lines = 4): string {
  const said = (result.stderr.trim() || result.stdout.trim()).split('\n').slice(-lines).join(' | ');
  return [
    result.problem,
    result.code === undefined ? undefined : `exit code ${result.code}`,
    said || undefined,
  ]
    .filter(Boolean)
    .join('; ');
}
