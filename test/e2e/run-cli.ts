/** Runs the built program to its end, without a terminal. */
import { type ChildProcess, spawn } from 'node:child_process';
import { paths } from '../helpers/paths.ts';

export interface Ended {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
  readonly stdout: string;
  readonly stderr: string;
}

const LIMIT_MS = 30_000;

/** `ktop <args>`; `env` is added to the environment. */
export function ktop(
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  limit_ms = LIMIT_MS,
): Promise<Ended> {
  return ended(start(paths.node(), [paths.ktop, ...args], env, limit_ms));
}

/** A shell command in which `$ktop` stands for the program; pipes are bash's. */
export function shell(script: string, env: Readonly<Record<string, string>> = {}): Promise<Ended> {
  return program('bash', ['-c', script.replaceAll('$ktop', `'${paths.node()}' '${paths.ktop}'`)], env);
}

export function program(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<Ended> {
  return ended(start(file, args, env));
}

/** Starts a program whose output is read by `ended`, or by nobody. */
export function start(
  file: string,
  args: readonly string[],
  env: Readonly<Record<string, string>> = {},
  limit_ms = LIMIT_MS,
): ChildProcess {
  return spawn(file, args, {
    cwd: paths.project,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
    timeout: limit_ms,
    killSignal: 'SIGKILL',
  });
}

export function ended(child: ChildProcess): Promise<Ended> {
  let stdout = '';
  let stderr = '';
  child.stdout?.setEncoding('utf8').on('data', (text: string) => {
    stdout += text;
  });
  child.stderr?.setEncoding('utf8').on('data', (text: string) => {
    stderr += text;
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('close', (code, signal) => resolve({ code, signal, stdout, stderr }));
  });
}
