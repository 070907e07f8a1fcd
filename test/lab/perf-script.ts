/** Waits in the output of `perf script -F comm,tid,cpu,time,event,trace` of the sched events. */

export interface Wait {
  readonly tid: number;
  readonly state: string;
  readonly ms: number;
}

const LINE = /^\s*.+?\s+\d+ \[\d+\]\s+([\d.]+):\s+sched:(sched_\w+): (.*)$/;
const SWITCH = /prev_pid=(\d+) .*prev_state=(\S+) ==>/;
const WAKEUP = /pid=(\d+)/;

/** Stays in S, D or T of at least `than_ms`, from leaving the CPU to being woken. */
export function longWaits(text: string, than_ms: number): Wait[] {
  const open = new Map<number, { state: string; since: number }>();
  const waits: Wait[] = [];
  for (const line of text.split('\n')) {
    const match = LINE.exec(line);
    if (match === null) continue;
    const [, time, event, rest = ''] = match;
    const at = Number(time) * 1e3;
    const found = (event === 'sched_switch' ? SWITCH : WAKEUP).exec(rest);
    if (found === null) throw new Error(`perf script says what was not expected: ${line}`);
    const tid = Number(found[1]);
    if (event === 'sched_switch') {
      open.set(tid, { state: (found[2] ?? '?').charAt(0), since: at });
      continue;
    }
    const wait = open.get(tid);
    open.delete(tid);
    if (wait === undefined || !'SDT'.includes(wait.state) || at - wait.since < than_ms) continue;
    waits.push({ tid, state: wait.state, ms: at - wait.since });
  }
  return waits;
}
