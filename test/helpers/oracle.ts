/** Witnesses that are not ktop: bpftrace (sees every event, in the kernel) and perf stat (counts). */
import { type ChildProcess, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Lines } from './lines.ts';

const MISSING = 'install the packages of test/lab/packages.txt';

const ended = (child: ChildProcess) => new Promise<void>((resolve) => child.on('close', () => resolve()));

/** A bpftrace program; `stop` ends it and returns the lines its printf wrote. */
export async function bpftrace(program: string): Promise<{ stop: () => Promise<string[]> }> {
  const source = `BEGIN { printf("ready\\n"); } ${program}`;
  const child = spawn('bpftrace', ['-e', source], {
    stdio: ['ignore', 'pipe', 'pipe'],
    // Its own buffers: 64 pages overflow when the host is busy, and a witness must not lose events.
    env: { ...process.env, BPFTRACE_PERF_RB_PAGES: '1024' },
  });
  const closed = ended(child);
  let errors = '';
  child.on('error', (error) => (errors += `${error.message}; ${MISSING}`));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  const lines = new Lines(child.stdout);
  try {
    await lines.until(() => lines.all.includes('ready'), 30_000, 'bpftrace was ready');
  } catch (error) {
    throw new Error(`${(error as Error).message}: ${errors}`);
  }
  const stop = async () => {
    child.kill('SIGINT');
    await closed;
    if (/Lost \d+ events/.test(lines.all.join('\n'))) throw new Error('the witness itself lost events');
    return lines.all.slice(lines.all.indexOf('ready') + 1);
  };
  return { stop };
}

/** Counts of tracepoints on all CPUs from now until `stop`, by `sys:name`. */
export async function perfStat(
  events: readonly string[],
): Promise<{ stop: () => Promise<Map<string, number>> }> {
  const work = mkdtempSync(join(tmpdir(), 'ktop-stat-'));
  const file = join(work, 'counts');
  const list = events.flatMap((name) => ['-e', name]);
  // perf enables its counters before it starts the command, so `ready` means that it counts.
  const wait = ['--', '/bin/sh', '-c', 'echo ready; exec cat'];
  const child = spawn('perf', ['stat', '-a', '-x', ',', '-o', file, ...list, ...wait], { stdio: 'pipe' });
  const closed = ended(child);
  const lines = new Lines(child.stdout);
  let errors = '';
  child.on('error', (error) => (errors += `${error.message}; ${MISSING}`));
  child.stderr.setEncoding('utf8').on('data', (text: string) => (errors += text));
  try {
    await lines.until(() => lines.all.includes('ready'), 10_000, 'perf stat was ready');
  } catch (error) {
    throw new Error(`${(error as Error).message}: ${errors}`);
  }
  const stop = async () => {
    child.stdin.end();
    await closed;
    const counts = new Map<string, number>();
    for (const line of readFileSync(file, 'utf8').split('\n')) {
      const [value = '', , name = ''] = line.split(',');
      if (events.includes(name)) counts.set(name, Number(value));
    }
    rmSync(work, { recursive: true });
    return counts;
  };
  return { stop };
}

/** Jiffies of each CPU by kind, as /proc/stat counts them now. */
export function cpuTimes(): Map<number, readonly number[]> {
  const times = new Map<number, readonly number[]>();
  for (const line of readFileSync('/proc/stat', 'utf8').split('\n')) {
    const match = /^cpu(\d+) (.*)/.exec(line);
    if (match !== null) times.set(Number(match[1]), (match[2] ?? '').split(' ').map(Number));
  }
  return times;
}
