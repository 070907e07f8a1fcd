/** A trace instance of the test's own: what the kernel itself prints for its events. */
import { existsSync, mkdirSync, readFileSync, rmdirSync, writeFileSync } from 'node:fs';

const INSTANCES = '/sys/kernel/tracing/instances';

export interface Watched {
  /** `sys:name` */
  readonly event: string;
  readonly filter?: string;
}

export interface Traced {
  readonly comm: string;
  readonly tid: number;
  readonly cpu: number;
  /** CLOCK_MONOTONIC, exact to 1 µs. */
  readonly ms: number;
  readonly event: string;
  /** `d.h1.`: interrupts off, rescheduling, in what (h hard interrupt, s softirq, H both, z NMI), how deep. */
  readonly flags: string;
  /** As printed behind the name of the event. */
  readonly text: string;
}

const LINE = /^\s*(.+)-(\d+)\s+\[(\d+)\]\s+(\S+)\s+([\d.]+): (\w+): ?(.*)$/;

/** Records these events until `stop`; throws when it lost any. */
export function traceInstance(watched: readonly Watched[]): { stop: () => Traced[] } {
  const root = `${INSTANCES}/test_${process.pid}`;
  if (existsSync(root)) rmdirSync(root);
  mkdirSync(root);
  const set = (file: string, text: string) => writeFileSync(`${root}/${file}`, text);
  set('buffer_size_kb', '8192');
  set('trace_clock', 'mono');
  for (const { event, filter } of watched) {
    const directory = `events/${event.replace(':', '/')}`;
    if (filter !== undefined) set(`${directory}/filter`, filter);
    set(`${directory}/enable`, '1');
  }
  const stop = () => {
    set('tracing_on', '0');
    const lines = readFileSync(`${root}/trace`, 'utf8').split('\n');
    const counts = /entries-in-buffer\/entries-written: (\d+)\/(\d+)/.exec(lines.join('\n'));
    rmdirSync(root);
    if (counts === null || counts[1] !== counts[2])
      throw new Error(`the witness lost events: ${counts?.[0]}`);
    return lines.flatMap((line) => {
      const [, comm = '', tid, cpu, flags = '', time, event = '', text = ''] = LINE.exec(line) ?? [];
      return tid === undefined
        ? []
        : [{ comm, tid: Number(tid), cpu: Number(cpu), ms: 1e3 * Number(time), event, flags, text }];
    });
  };
  return { stop };
}
