/** Starting a program so that nothing of it is missed: it stands still before its exec until it is let go. */
import { type ChildProcess, spawn } from 'node:child_process';
import { accessSync, constants, readFileSync, statSync } from 'node:fs';
import { constants as os } from 'node:os';
import { delimiter, join, resolve } from 'node:path';
import { setTimeout as wait } from 'node:timers/promises';
import { UsageError } from './usage-error.ts';
import { quote } from './values.ts';

export interface Launched {
  readonly pid: number;
  /** Lets it run. */
  begin(): void;
  /** Its exit code; 128 and the signal's number when it was killed. */
  readonly ended: Promise<number>;
  /** Ends it, if it has not ended. */
  kill(): void;
}

/** First argument of a ktop that is to become another program. */
export const HELD = '--held';
/** Node ignores them; what it starts would, too. */
const IGNORED = ['SIGPIPE', 'SIGXFSZ'] as const;
const PATIENCE_MS = 10_000;

/** Stops itself; woken, it becomes the program, by one exec and without a look at PATH. No shell is needed for that. */
export function become([path = '', ...args]: readonly string[]): never {
  for (const signal of IGNORED) {
    const nothing = () => {};
    // Whoever stops listening leaves the default behind.
    process.on(signal, nothing).off(signal, nothing);
  }
  process.title = 'ktop';
  process.kill(process.pid, 'SIGSTOP');
  const { KTOP_PACKED: _, ...env } = process.env;
  if (process.execve === undefined) throw new Error('this Node.js cannot become another program');
  return process.execve(path, [path, ...args], env as Record<string, string>);
}

/**
 * Throws a UsageError when there is no such program. What it prints goes to stderr, or nowhere. `self`: what starts this
 * ktop, without its arguments.
 */
export async function launch(
  program: readonly string[],
  output: 'stderr' | 'nowhere',
  self: readonly string[],
): Promise<Launched> {
  const [name = '', ...args] = program;
  const path = found(name);
  const shown = output === 'stderr' ? 2 : 'ignore';
  const stdin = output === 'stderr' ? 'inherit' : 'ignore';
  const [file = '', ...words] = self;
  const child = spawn(file, [...words, HELD, path, ...args], { stdio: [stdin, shown, shown] });
  const ended = new Promise<number>((done) => {
    child.on('error', () => done(127));
    child.on('exit', (code, signal) => done(code ?? 128 + (signal === null ? 0 : (os.signals[signal] ?? 0))));
  });
  const pid = await stopped(child);
  return {
    pid,
    begin: () => child.kill('SIGCONT'),
    ended,
    kill: () => {
      if (child.exitCode === null && child.signalCode === null) child.kill('SIGKILL');
    },
  };
}

/** The file that a shell would run. */
function found(name: string): string {
  const places = name.includes('/')
    ? [resolve(name)]
    : (process.env.PATH ?? '')
        .split(delimiter)
        .map((directory) => join(directory === '' ? '.' : directory, name));
  const path = places.map((place) => resolve(place)).find(runs);
  if (path === undefined)
    throw new UsageError(
      `${quote(name)} is no program that can be started; give its path, or look it up in PATH`,
    );
  return path;
}

function runs(path: string): boolean {
  try {
    accessSync(path, constants.X_OK);
    return statSync(path).isFile();
  } catch {
    return false;
  }
}

/** Its number, once it stands still. */
async function stopped({ pid }: ChildProcess): Promise<number> {
  const until = Date.now() + PATIENCE_MS;
  for (; pid !== undefined && Date.now() < until; await wait(2)) {
    try {
      if (/\) T /.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))) return pid;
    } catch {
      break;
    }
  }
  throw new Error('the command could not be started');
}
