/** The witness for recordings: what `perf script` makes of the same file. */
import { spawnSync } from 'node:child_process';
import { command } from './command.ts';

export interface Sampled {
  readonly comm: string;
  readonly tid: number;
  readonly cpu: number;
  /** Nanoseconds on the file's clock. */
  readonly time: number;
  readonly event: string;
  /** As printed behind the name of the event. */
  readonly text: string;
}

/** Records until the command has ended; fails when perf does. */
export function perfRecord(file: string, args: readonly string[], load: readonly string[]): void {
  const all = ['record', '-q', ...args, '-o', file, '--', ...load];
  const { status, stderr } = spawnSync('perf', all, {
    encoding: 'utf8',
    // The load programs wait for the end of their input.
    input: '',
    timeout: 120_000,
  });
  if (status !== 0) throw new Error(`perf ${all.join(' ')} failed (${status}): ${stderr}`);
}

const LINE = /^\s*(.+?)\s+(-?\d+) \[(\d+)\]\s+(\d+)\.(\d{9}):\s+(\S+:\w+): ?(.*)$/;

/** Every sample of a tracepoint, in the order of time; equal times in the order of the file. */
export function perfScript(file: string): Sampled[] {
  const text = command('perf', ['script', '--ns', '-i', file, '-F', 'comm,tid,cpu,time,event,trace']);
  const found = parseScript(text);
  return found.sort((a, b) => a.time - b.time);
}

/** Lines of `perf script --ns -F comm,tid,cpu,time,event,trace`. */
export function parseScript(text: string): Sampled[] {
  return text.split('\n').flatMap((line) => {
    const [, comm = '', tid, cpu, seconds, nanos, event = '', rest = ''] = LINE.exec(line) ?? [];
    if (tid === undefined) return [];
    const time = Number(seconds) * 1e9 + Number(nanos);
    return [{ comm, tid: Number(tid), cpu: Number(cpu), time, event, text: rest }];
  });
}

/** Events missing from the file: as the kernel told when it happened, or as perf counted in the end if that is more. */
export function lostEvents(file: string): number {
  const lines = command('sh', [
    '-c',
    'perf script -D -i "$1" 2>/dev/null | grep -a PERF_RECORD_LOST || true',
    'sh',
    file,
  ]);
  const total = (pattern: RegExp) =>
    [...lines.matchAll(pattern)].reduce((sum, match) => sum + Number(match[1]), 0);
  return Math.max(
    total(/PERF_RECORD_LOST: id:\d+: lost:(\d+)$/gm),
    total(/PERF_RECORD_LOST_SAMPLES: id:\d+: lost samples :(\d+)$/gm),
  );
}

export interface Pairs {
  readonly count: number;
  readonly total_ns: number;
  readonly min_ns: number;
  readonly max_ns: number;
}

/** From each start to the next end of the same key; `cancel` names the key of a start that an end makes void. */
export function pairsOf(
  samples: readonly Sampled[],
  start: (sample: Sampled) => string | undefined,
  end: (sample: Sampled) => string | undefined,
  cancel: (sample: Sampled) => string | undefined = () => undefined,
): Pairs {
  const open = new Map<string, number>();
  const took: number[] = [];
  for (const sample of samples) {
    const [void_, ends, starts] = [cancel(sample), end(sample), start(sample)];
    if (void_ !== undefined) open.delete(void_);
    const since = ends === undefined ? undefined : open.get(ends);
    if (ends !== undefined && since !== undefined) {
      took.push(sample.time - since);
      open.delete(ends);
    }
    if (starts !== undefined) open.set(starts, sample.time);
  }
  return {
    count: took.length,
    total_ns: took.reduce((sum, ns) => sum + ns, 0),
    min_ns: took.reduce((least, ns) => Math.min(least, ns), Number.POSITIVE_INFINITY),
    max_ns: took.reduce((most, ns) => Math.max(most, ns), 0),
  };
}

/** One capture of a pattern in the text of these events. */
export const field =
  (event: string, pattern: RegExp) =>
  (sample: Sampled): string | undefined =>
    sample.event === event ? pattern.exec(sample.text)?.slice(1).find(Boolean) : undefined;

/** The thread, of these events. */
export const thread =
  (event: string) =>
  (sample: Sampled): string | undefined =>
    sample.event === event ? String(sample.tid) : undefined;

export interface Stay {
  readonly tid: number;
  readonly state: string;
  readonly ns: number;
}

const PREV = /prev_pid=(\d+) .*prev_state=(\S+) ==>/;

/** Stays off the CPU of at least `than_ns`: in S, D, T until woken; R, runnable, from then until running. */
export function staysOf(samples: readonly Sampled[], than_ns: number): Stay[] {
  const open = new Map<number, { state: string; since: number }>();
  const stays: Stay[] = [];
  const finish = (tid: number, time: number) => {
    const stay = open.get(tid);
    open.delete(tid);
    if (stay !== undefined && 'SDTR'.includes(stay.state) && time - stay.since >= than_ns)
      stays.push({ tid, state: stay.state, ns: time - stay.since });
    return stay;
  };
  /** On a CPU, as far as is known: a wake-up changes nothing. */
  const running = new Set<number>();
  for (const { event, text, time } of samples) {
    if (event === 'sched:sched_switch') {
      const [, prev = '', state = ''] = PREV.exec(text) ?? [];
      const left = Number(prev);
      running.delete(left);
      if (left !== 0 && !/^[XZ]/.test(state)) {
        // "R+" was preempted; it keeps waiting.
        open.set(left, { state: state.charAt(0), since: time });
      }
      const next = Number(/next_pid=(\d+)/.exec(text)?.[1]);
      if (open.get(next)?.state === 'R') finish(next, time);
      else open.delete(next);
      running.add(next);
    } else if (/^sched:sched_wakeup(_new)?$/.test(event)) {
      const tid = Number(/(?:^|\s)pid=(\d+)/.exec(text)?.[1]);
      if (running.has(tid) || open.get(tid)?.state === 'R') continue;
      finish(tid, time);
      open.set(tid, { state: 'R', since: time });
    }
  }
  return stays;
}
