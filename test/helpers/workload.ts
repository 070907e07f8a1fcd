/** Starts the load programs of test/workloads, built on first use. */
import { spawn } from 'node:child_process';
import { join } from 'node:path';
import { command } from './command.ts';
import { Lines } from './lines.ts';
import { paths } from './paths.ts';

let built = false;

/** Path of a load program. */
export function workload(name: string): string {
  if (!built) command('make', ['-s', '-C', paths.workloadSources]);
  built = true;
  return join(paths.workloads, name);
}

export interface Load<T> {
  readonly pid: number;
  /** What the program says it did. */
  readonly truth: T;
  /** Lets it end; resolves when it has. */
  readonly release: () => Promise<void>;
}

/** A load that has been started; `said` resolves when it has done its work. */
export function startLoad<T>(name: string, args: readonly (string | number)[], timeout_ms = 30_000) {
  const child = spawn(workload(name), args.map(String), { stdio: ['pipe', 'pipe', 'pipe'] });
  let errors = '';
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const closed = new Promise<void>((resolve) => child.on('close', () => resolve()));
  const lines = new Lines(child.stdout);
  const release = async () => {
    child.stdin.end();
    await closed;
  };
  const said = async (): Promise<Load<T>> => {
    try {
      await lines.until(() => lines.all.length > 0, timeout_ms, `${name} ${args.join(' ')} was done`);
    } catch (error) {
      child.kill('SIGKILL');
      throw new Error(`${(error as Error).message}: ${errors}`);
    }
    return { pid: child.pid ?? 0, truth: JSON.parse(lines.all[0] ?? '') as T, release };
  };
  /** For programs that wait for a byte before they begin. */
  const go = () => child.stdin.write('\n');
  return { pid: child.pid ?? 0, said: said(), release, go };
}

/** Runs a load to its end; its truth. */
export async function runLoad<T>(name: string, args: readonly (string | number)[]): Promise<T> {
  const load = await startLoad<T>(name, args).said;
  await load.release();
  return load.truth;
}

/**
 * Gives each of the CPUs something to do that yields to all else; call what it returns to end it. Some hosts hide the
 * switches of an idle task: where each switch counts, there is to be another task to switch from.
 */
export function keepBusy(cpus: readonly number[]): () => void {
  const busy = cpus.map((cpu) =>
    spawn('taskset', ['-c', String(cpu), 'nice', '-n', '19', 'sh', '-c', 'while :; do :; done'], {
      stdio: 'ignore',
    }),
  );
  return () => {
    for (const each of busy) each.kill('SIGKILL');
  };
}

export const sleep = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms));
