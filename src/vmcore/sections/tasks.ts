/** Sections about tasks: the table with what is unlike the others, and the backtraces. */
import type { Struct, Task } from '../core.ts';
import { hex } from '../kernel/unwind.ts';
import type { Backtrace } from '../report.ts';
import { folded } from './places.ts';
import type { Scene } from './scene.ts';
import type { Made, Row } from './table.ts';

const PAGE = 4096;
/** Backtraces of more tasks than this are made on demand only. */
const MOST_TRACES = 20_000;

export function tasks(scene: Scene): Made {
  const { kernel } = scene;
  const table = kernel.taskTable();
  const rows = table.tasks.map((task): Row => {
    const { struct } = task;
    const running = kernel.runsOn(task) !== undefined;
    const queued = struct.num('on_rq') === 1;
    const sleeping = !running && !queued && !task.idle;
    const lock = scene.locks.byTask.get(task.addr);
    return {
      pid: task.pid,
      tgid: task.tgid,
      ppid: struct.deref('real_parent', 'task_struct')?.num('tgid'),
      uid: struct.deref('cred')?.num('euid.val'),
      comm: task.comm,
      state: task.state,
      cpu: task.cpu,
      policy: scene.policy(task),
      prio: struct.num('prio'),
      time_ms: task.idle ? undefined : struct.num('se.sum_exec_runtime') / 1e6,
      oncpu_ms: running && !task.idle ? scene.onCpuMs(task) : undefined,
      wait_ms: queued && !running && !task.idle ? scene.waitMs(task) : undefined,
      blocked_ms: sleeping ? scene.blockedMs(task) : undefined,
      wchan: sleeping ? scene.wchan(task) : '',
      lock: lock?.name,
      cgroup: scene.cgroupOf(task),
      rss: task.pid === task.tgid ? residentBytes(scene, struct) : undefined,
      task: hex(task.addr),
    };
  });
  return { tables: { tasks: withOutliers(rows) }, warnings: table.warnings };
}

/** Pages of files, anonymous and shared memory; kept per CPU from 6.2 on. */
export function residentBytes(scene: Scene, task: Struct): number {
  const mm = task.deref('mm', 'mm_struct');
  if (mm === undefined) return Number.NaN;
  let pages = 0;
  for (const kind of ['MM_FILEPAGES', 'MM_ANONPAGES', 'MM_SHMEMPAGES']) {
    const index = scene.kernel.enumValue(kind);
    if (index === undefined) return Number.NaN;
    pages += mm.has('rss_stat.count')
      ? mm.num(`rss_stat.count[${index}].counter`)
      : percpuCounter(scene, mm, `rss_stat[${index}]`);
  }
  return Math.max(0, pages) * PAGE;
}

function percpuCounter({ kernel }: Scene, struct: Struct, path: string): number {
  const counters = struct.ptr(`${path}.counters`);
  let sum = struct.num(`${path}.count`);
  if (counters === undefined || counters === 0n) return sum;
  for (const cpu of kernel.cpus) {
    const place = kernel.percpu(counters, cpu);
    sum += (place === undefined ? undefined : kernel.i32(place)) ?? 0;
  }
  return sum;
}

/** Columns in which outliers are looked for, with what is too little to be one. */
const LOOKED_AT: readonly (readonly [string, number])[] = [
  ['time_ms', 1000],
  ['oncpu_ms', 1000],
  ['wait_ms', 100],
  ['rss', 64 * 2 ** 20],
];
/** In median absolute deviations, made comparable with standard deviations. */
const FAR = 10;
const MAD_TO_SIGMA = 1.4826;

/**
 * Marks what is far above the median of its column. Sleeping is what tasks do: their time asleep is looked at only of
 * those in uninterruptible sleep, among all that sleep so.
 */
export function withOutliers(rows: readonly Row[]): Row[] {
  const marks = new Map<Row, string[]>();
  const mark = (row: Row, column: string) => marks.set(row, [...(marks.get(row) ?? []), column]);
  for (const [column, least] of LOOKED_AT) for (const row of outliers(rows, column, least)) mark(row, column);
  for (const row of rows)
    if (row.state === 'D' && typeof row.blocked_ms === 'number' && row.blocked_ms >= 1000)
      mark(row, 'blocked_ms');
  return rows.map((row) => ({ ...row, outlier: (marks.get(row) ?? []).join(' ') }));
}

function outliers(rows: readonly Row[], column: string, least: number): Row[] {
  const of = (row: Row): number => (typeof row[column] === 'number' ? (row[column] as number) : Number.NaN);
  const values = rows.map(of).filter((value) => !Number.isNaN(value));
  if (values.length === 0) return [];
  const middle = median(values);
  const spread = median(values.map((value) => Math.abs(value - middle))) * MAD_TO_SIGMA;
  return rows.filter((row) => of(row) >= Math.max(least, middle + FAR * spread));
}

function median(values: readonly number[]): number {
  const sorted = Float64Array.from(values).sort();
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1
    ? (sorted[half] as number)
    : ((sorted[half - 1] as number) + (sorted[half] as number)) / 2;
}

export function backtraces(scene: Scene): Made {
  const { kernel } = scene;
  const all: readonly Task[] = kernel.tasks();
  const stacks: Backtrace[] = all.slice(0, MOST_TRACES).map((task) => kernel.backtrace(task));
  const texts = stacks.map(({ frames }) => folded(frames));
  const same = new Map<string, number>();
  for (const text of texts) same.set(text, (same.get(text) ?? 0) + 1);
  const rows = stacks.map(
    (trace, index): Row => ({
      pid: trace.pid,
      comm: trace.comm,
      state: trace.state,
      cpu: trace.cpu,
      depth: trace.frames.length,
      same: same.get(texts[index] ?? '') ?? 1,
      certain: trace.exact ? 'yes' : trace.stopped === 'end' ? 'no' : trace.stopped,
      task: trace.task,
      stack: texts[index],
    }),
  );
  const warnings: string[] = [];
  if (all.length > MOST_TRACES)
    warnings.push(`backtraces of the first ${MOST_TRACES} of ${all.length} tasks`);
  if (!kernel.orc.usable)
    warnings.push(
      'this kernel has no ORC tables (CONFIG_UNWINDER_ORC): frames are guessed by frame pointers',
    );
  return { tables: { backtraces: rows }, stacks, warnings };
}
