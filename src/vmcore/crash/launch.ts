/**
 * How crash is started: so that it cannot change the core. crash opens it for writing whenever it may. A user who may
 * not write the file is safe; root may always, so root's crash gets a view of the file system of its own in which
 * the core is read-only.
 */
import { spawnSync } from 'node:child_process';
import { accessSync, constants, statSync } from 'node:fs';
import { delimiter, join } from 'node:path';
import { CrashError } from './crash-error.ts';

export interface Launch {
  readonly file: string;
  /** Of crash itself come behind. */
  readonly args: readonly string[];
  /** The core cannot be changed by it. */
  readonly readOnly: boolean;
}

/** $1 is the core; what follows is run in this process's place. */
const BIND = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && exec "$@"';
const PROBE_MS = 5000;

/** Path of a program; undefined when there is none. */
export function findProgram(name: string): string | undefined {
  const candidates = name.includes('/')
    ? [name]
    : (process.env.PATH ?? '/usr/bin:/bin').split(delimiter).map((directory) => join(directory, name));
  return candidates.find((path) => {
    try {
      accessSync(path, constants.X_OK);
      return statSync(path).isFile();
    } catch {
      return false;
    }
  });
}

const mayWrite = (path: string): boolean => {
  try {
    accessSync(path, constants.W_OK);
    return true;
  } catch {
    return false;
  }
};

/** It ends when the thread that started it does, however that comes: left alone it would sit there for ever. */
function withIt(crash: string): readonly [string, ...string[]] {
  const setpriv = findProgram('setpriv');
  return setpriv === undefined ? [crash] : [setpriv, '--pdeathsig', 'KILL', '--', crash];
}

/** Throws a CrashError when there is no crash to be started. */
export function planLaunch(program: string, core: string): Launch {
  const crash = findProgram(program);
  if (crash === undefined) throw new CrashError(`${program} is not installed; install the package crash`);
  const [first, ...rest] = withIt(crash);
  if (!mayWrite(core)) return { file: first, args: rest, readOnly: true };
  const unshare = findProgram('unshare');
  if (unshare !== undefined) {
    const roots = process.getuid?.() === 0 ? [] : ['--map-root-user'];
    const view = ['--mount', ...roots, '--', 'sh', '-c', BIND, 'sh', core];
    // Containers may forbid it.
    const probe = spawnSync(unshare, [...view, 'test', '!', '-w', core], {
      stdio: 'ignore',
      timeout: PROBE_MS,
    });
    if (probe.status === 0) return { file: unshare, args: [...view, first, ...rest], readOnly: true };
  }
  return { file: first, args: rest, readOnly: false };
}
