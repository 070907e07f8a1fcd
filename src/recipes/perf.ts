/** perf, which reads debug information. It is asked for definitions and never arms anything. */
import { spawn } from 'node:child_process';
import { NoProbe } from '../probes/probe.ts';
import { BadRecipe } from './recipe.ts';

export interface Said {
  /** 0 = done. */
  readonly code: number;
  readonly stdout: string;
  /** Why not, in perf's words, on one line. */
  readonly why: string;
}

/** The debug information of a large program takes perf seconds, once. */
const MOST_MS = 120_000;
const MOST_BYTES = 64 * 2 ** 20;

export const PERF_REMEDY =
  'install it: linux-perf on Debian, linux-tools of this kernel on Ubuntu, perf on Fedora and RHEL';

/** A program that is asked something: no shell, nothing of this environment but the path, no network, an end. */
export function ask(
  program: string,
  args: readonly string[],
  settings: {
    readonly ms?: number;
    readonly signal?: AbortSignal | undefined;
    readonly env?: NodeJS.ProcessEnv;
  } = {},
): Promise<Said | undefined> {
  return new Promise((resolve) => {
    const child = spawn(program, args, {
      env: {
        PATH: process.env.PATH ?? '/usr/sbin:/usr/bin:/sbin:/bin',
        // Else perf copies what it is asked about into a cache of its own.
        HOME: '/nonexistent',
        LC_ALL: 'C',
        DEBUGINFOD_URLS: '',
        ...settings.env,
      },
      stdio: ['ignore', 'pipe', 'pipe'],
      timeout: settings.ms ?? MOST_MS,
      killSignal: 'SIGKILL',
      signal: settings.signal,
    });
    let stdout = '';
    let stderr = '';
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      stdout += text;
      if (stdout.length > MOST_BYTES) child.kill('SIGKILL');
    });
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = `${stderr}${text}`.slice(0, 10_000);
    });
    child.on('error', () => resolve(undefined));
    child.on('close', (code) =>
      resolve({
        code: code ?? 1,
        stdout,
        why: code === null ? `${program} did not end within its time` : oneLine(stderr),
      }),
    );
  });
}

/** `perf probe …`. Throws a NoProbe (host) where there is no perf. */
export async function askPerf(args: readonly string[], signal?: AbortSignal): Promise<Said> {
  const said = await ask('perf', ['probe', ...args], { signal });
  // Who ends ktop by a key ends perf too.
  if (signal?.aborted === true) throw new BadRecipe('it was ended before it was done; nothing is written');
  if (said === undefined || (said.code !== 0 && /WARNING: perf not found for kernel/.test(said.why)))
    throw new NoProbe('host', `perf is not there, and only it reads debug information; ${PERF_REMEDY}`);
  return said;
}

function oneLine(text: string): string {
  return text
    .split('\n')
    .map((line) => line.trim().replace(/^Error: /, ''))
    .filter((line) => line !== '' && !/^Failed to (?:add events|show vars|show lines)\.?$/.test(line))
    .join(' ')
    .replace(/\.$/, '');
}
