/** The text of a tracefs `trace` file: the kernel's own view of its events. */

export interface TraceLine {
  readonly tid: number;
  readonly cpu: number;
  /** Seconds of the instance's trace clock. */
  readonly time: number;
  readonly event: string;
  readonly text: string;
}

const LINE = /^\s*(?:.+)-(\d+)\s+\[(\d+)\]\s+\S+\s+([\d.]+): (\w+): (.*)$/;

export function parseTrace(text: string): TraceLine[] {
  const lines: TraceLine[] = [];
  for (const line of text.split('\n')) {
    const match = LINE.exec(line);
    if (match === null) continue;
    const [, tid, cpu, time, event = '', rest = ''] = match;
    lines.push({ tid: Number(tid), cpu: Number(cpu), time: Number(time), event, text: rest });
  }
  return lines;
}

/** Events a trace buffer dropped, from its `stats` files; a witness must have dropped none. */
export function dropped(stats: string): number {
  let total = 0;
  for (const match of stats.matchAll(/^(?:overrun|commit overrun|dropped events): (\d+)$/gm)) {
    total += Number(match[1]);
  }
  return total;
}

/** An exit to the hypervisor and the next entry of the same vCPU thread. */
export interface Exit {
  readonly reason: string;
  /** CPU of the exit. */
  readonly cpu: number;
  readonly took_us: number;
  /** The guest was in the upper half of its addresses. */
  readonly kernel: boolean;
}

/** Pairs kvm_exit with the next kvm_entry of its thread; an exit that was never followed by an entry is no pair. */
export function pairExits(lines: readonly TraceLine[]): Exit[] {
  const open = new Map<number, { reason: string; cpu: number; time: number; kernel: boolean }>();
  const exits: Exit[] = [];
  for (const { tid, cpu, time, event, text } of lines) {
    if (event === 'kvm_exit') {
      const [, reason = '', rip = ''] = /reason (.+?)\s+rip (0x[0-9a-f]+)/.exec(text) ?? [];
      open.set(tid, { reason, cpu, time, kernel: rip.startsWith('0xffff') && rip.length === 18 });
    } else if (event === 'kvm_entry') {
      const exit = open.get(tid);
      open.delete(tid);
      if (exit !== undefined) {
        exits.push({ ...exit, took_us: (time - exit.time) * 1e6 });
      }
    }
  }
  return exits;
}
