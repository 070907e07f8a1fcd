/** How long tasks named w-… stayed in each state, as bpftrace saw every switch and wakeup of theirs. */
import { bpftrace } from '../helpers/oracle.ts';

export interface Stay {
  readonly tid: number;
  /** S, D, T, or R for runnable but not running. */
  readonly state: string;
  readonly ms: number;
}

const OURS = (field: string) => `strncmp(args->${field}, "w-", 2) == 0`;

const PROGRAM = `
tracepoint:sched:sched_switch /${OURS('prev_comm')}/
  { printf("out %d %d %llu\\n", args->prev_pid, args->prev_state, nsecs); }
tracepoint:sched:sched_switch /${OURS('next_comm')}/
  { printf("in %d 0 %llu\\n", args->next_pid, nsecs); }
tracepoint:sched:sched_wakeup /${OURS('comm')}/
  { printf("wake %d 0 %llu\\n", args->pid, nsecs); }
`;

/** Bits of prev_state since Linux 4.20; 0x100 = preempted. */
const LETTERS: Readonly<Record<number, string>> = { 0: 'R', 1: 'S', 2: 'D', 4: 'T', 8: 't', 256: 'R' };

export function staysOf(lines: readonly string[]): Stay[] {
  const events = lines
    .map((line) => /^(out|in|wake) (\d+) (\d+) (\d+)$/.exec(line))
    .filter((match) => match !== null)
    .map(([, kind = '', tid, state, time]) => ({
      kind,
      tid: Number(tid),
      bits: Number(state),
      ms: Number(time) / 1e6,
    }))
    .sort((a, b) => a.ms - b.ms);
  const open = new Map<number, { state: string; since: number }>();
  const stays: Stay[] = [];
  for (const { kind, tid, bits, ms } of events) {
    const now = open.get(tid);
    const ends = kind === 'wake' ? now?.state !== 'R' : kind === 'in';
    if (now !== undefined && ends) stays.push({ tid, state: now.state, ms: ms - now.since });
    if (kind === 'in') open.delete(tid);
    else if (kind === 'out') open.set(tid, { state: LETTERS[bits] ?? '?', since: ms });
    else if (now?.state !== 'R') open.set(tid, { state: 'R', since: ms });
  }
  return stays;
}

/** Starts watching; `stop` returns every stay that ended. */
export async function witnessWaits(): Promise<{ stop: () => Promise<Stay[]> }> {
  const witness = await bpftrace(PROGRAM);
  return { stop: async () => staysOf(await witness.stop()) };
}
