/** What the benchmarks share: where things are, running programs, medians, tables. */
import { execFileSync, spawn } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

export const ROOT = fileURLToPath(new URL('..', import.meta.url));
export const NODE = join(ROOT, 'node_modules/.bin/node');
export const KTOP = join(ROOT, 'dist/ktop.mjs');
const WORKLOADS = join(ROOT, 'build/workloads');

export const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Middle value; NaN of nothing. */
export function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) return Number.NaN;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

export function buildWorkloads() {
  execFileSync('make', ['-s', '-C', join(ROOT, 'test/workloads')], {
    stdio: ['ignore', 'inherit', 'inherit'],
  });
}

/** A load program on the last CPU alone, so that two runs of it differ in nothing but who watches. */
export const pinned = (name, ...args) => [
  'taskset',
  '-c',
  String(cpus().length - 1),
  join(WORKLOADS, name),
  ...args.map(String),
];

/** Runs a load program to its end; what it says of itself. */
export const load = (name, ...args) => told([join(WORKLOADS, name), ...args.map(String)]);

/** Runs a command to its end; the JSON that it printed. */
export async function told([file, ...args]) {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let text = '';
  for await (const chunk of child.stdout) text += chunk;
  return JSON.parse(text);
}

/** A program in the background. `output` is all it wrote; `stop` ends it with SIGINT and waits. */
export function background(file, args) {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'pipe'] });
  const state = { pid: child.pid, output: '', ended: false };
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding('utf8').on('data', (text) => {
      state.output += text;
    });
  }
  const closed = new Promise((resolve, reject) => {
    child.on('error', (error) => reject(new Error(`${file}: ${error.message}; install it`)));
    child.on('close', resolve);
  }).finally(() => {
    state.ended = true;
  });
  closed.catch(() => {});
  state.until = async (pattern, timeout_ms = 20_000) => {
    const end = Date.now() + timeout_ms;
    while (!pattern.test(state.output)) {
      if (state.ended) await closed;
      if (state.ended || Date.now() > end) throw new Error(`${file} did not start: ${state.output}`);
      await sleep(10);
    }
  };
  state.stop = async () => {
    child.kill('SIGINT');
    const hard = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await closed;
    clearTimeout(hard);
    return state.output;
  };
  return state;
}

/** CPU time of a process with all its threads that live, in ms, as the scheduler counts it: no ticks, no rounding. */
export function cpuMs(pid) {
  return threadsOf(pid).reduce((sum, { ms }) => sum + ms, 0);
}

/** Threads that live: their names and CPU time in ms. */
export function threadsOf(pid) {
  const tasks = `/proc/${pid}/task`;
  return readdirSync(tasks).flatMap((tid) => {
    try {
      const ns = readFileSync(`${tasks}/${tid}/schedstat`, 'latin1').split(' ')[0];
      return { name: readFileSync(`${tasks}/${tid}/comm`, 'utf8').trim(), ms: Number(ns) / 1e6 };
    } catch {
      return [];
    }
  });
}

/** Memory in MB: all that is resident, and the share of it that is this process's own. */
export function memoryMb(pid) {
  const text = readFileSync(`/proc/${pid}/smaps_rollup`, 'utf8');
  const of = (name) => Number(new RegExp(`^${name}:\\s+(\\d+)`, 'm').exec(text)?.[1] ?? Number.NaN) / 1024;
  return { rss: of('Rss'), pss: of('Pss') };
}

/** The tracepoints a monitor opens on this host. */
export function eventsOf(monitor) {
  const { monitors } = JSON.parse(execFileSync(NODE, [KTOP, 'list', '--json'], { encoding: 'utf8' }));
  const needs = monitors.find(({ name }) => name === monitor)?.needs ?? [];
  return needs.flatMap((need) => need.split('|').find(hasEvent) ?? []);
}

function hasEvent(name) {
  const [system, event, rest] = name.split(':');
  if (event === undefined || rest !== undefined) return false;
  try {
    return readdirSync(`/sys/kernel/tracing/events/${system}`).includes(event);
  } catch {
    return false;
  }
}

/** Rows of text and numbers in columns; the first row is the head. */
export function table(rows) {
  const text = rows.map((row) => row.map((cell) => (typeof cell === 'number' ? figure(cell) : cell)));
  const widths = text[0].map((_, i) => Math.max(...text.map((row) => (row[i] ?? '').length)));
  for (const row of text) {
    const cells = row.map((cell, i) => (i === 0 ? cell.padEnd(widths[i]) : cell.padStart(widths[i])));
    process.stdout.write(`  ${cells.join('  ')}\n`);
  }
}

function figure(value) {
  if (!Number.isFinite(value)) return 'n/a';
  if (Math.abs(value) >= 100) return value.toFixed(0);
  return value.toFixed(Math.abs(value) >= 10 ? 1 : 2);
}

export function title(text) {
  process.stdout.write(`\n${text}\n`);
}
