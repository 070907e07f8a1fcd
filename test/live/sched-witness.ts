/**
 * Where tasks named w-cpus ran and how long they waited for it, as the kernel's own trace has every switch and wakeup of
 * theirs. Not bpftrace: some hosts hide events of their idle CPUs from every buffer, and no two counts would be the same.
 */
import { traceInstance } from '../helpers/trace-instance.ts';

/** A stay on a CPU, or a wait for one. */
export interface Part {
  readonly tid: number;
  /** Where it ran, or ran in the end. */
  readonly cpu: number;
  readonly ms: number;
}

export interface Seen {
  readonly runs: readonly Part[];
  readonly waits: readonly Part[];
  /** Switches to a task on another CPU than the one it came to or left last. */
  readonly moves: readonly { readonly tid: number; readonly cpu: number }[];
}

const NAME = 'w-cpus';
const SWITCH =
  /prev_comm=(.*) prev_pid=(\d+) prev_prio=\d+ prev_state=(\S+) ==> next_comm=(.*) next_pid=(\d+) next_prio/;

interface Change {
  readonly kind: 'out' | 'in' | 'wake';
  readonly tid: number;
  /** Of an out: it would go on. */
  readonly runnable: boolean;
  readonly cpu: number;
  readonly ms: number;
}

/** Starts watching; `stop` tells what was seen. */
export function witnessSched(): { stop: () => Seen } {
  const witness = traceInstance([
    { event: 'sched:sched_switch', filter: `prev_comm=="${NAME}"||next_comm=="${NAME}"` },
    ...['sched_wakeup', 'sched_wakeup_new'].map((name) => ({
      event: `sched:${name}`,
      filter: `comm=="${NAME}"`,
    })),
  ]);
  const stop = (): Seen => {
    const changes = witness.stop().flatMap(({ event, text, cpu, ms }): Change[] => {
      if (event !== 'sched_switch') {
        const tid = Number(/ pid=(\d+) /.exec(text)?.[1]);
        return [{ kind: 'wake', tid, runnable: false, cpu, ms }];
      }
      const [, prev, out, state = '', next, into] = SWITCH.exec(text) ?? [];
      const runnable = state.startsWith('R');
      return [
        ...(prev === NAME ? [{ kind: 'out', tid: Number(out), runnable, cpu, ms } as const] : []),
        ...(next === NAME ? [{ kind: 'in', tid: Number(into), runnable: false, cpu, ms } as const] : []),
      ];
    });
    return seenIn(changes);
  };
  return { stop };
}

function seenIn(changes: readonly Change[]): Seen {
  const running = new Map<number, number>();
  const waiting = new Map<number, number>();
  const place = new Map<number, number>();
  const seen = { runs: [] as Part[], waits: [] as Part[], moves: [] as { tid: number; cpu: number }[] };
  for (const { kind, tid, runnable, cpu, ms } of changes) {
    if (kind === 'wake') {
      if (!running.has(tid) && !waiting.has(tid)) waiting.set(tid, ms);
      continue;
    }
    if (kind === 'in') {
      const since = waiting.get(tid);
      if (since !== undefined) seen.waits.push({ tid, cpu, ms: ms - since });
      waiting.delete(tid);
      running.set(tid, ms);
      if ((place.get(tid) ?? cpu) !== cpu) seen.moves.push({ tid, cpu });
    } else {
      const since = running.get(tid);
      if (since !== undefined) seen.runs.push({ tid, cpu, ms: ms - since });
      running.delete(tid);
      waiting.delete(tid);
      if (runnable) waiting.set(tid, ms);
    }
    place.set(tid, cpu);
  }
  return seen;
}

export const msOf = (parts: readonly Part[]): number => parts.reduce((sum, { ms }) => sum + ms, 0);
