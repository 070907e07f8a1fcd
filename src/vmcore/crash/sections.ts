/**
 * What crash can tell of a core that the native reader cannot: text of its commands, made into the same sections.
 * Less than native has, and less sure: crash prints what is left over on a stack as frames.
 */
import type { DmesgEntry, Frame } from '../report.ts';
import type { Made, Row } from '../sections/table.ts';

export interface CrashStack {
  readonly pid: number;
  readonly task: string;
  readonly cpu: number;
  readonly comm: string;
  readonly frames: readonly Frame[];
}

const address = (hex: string): string => `0x${hex.padStart(16, '0')}`;

/** `ps`: TASK_RUNNING (RU), INTERRUPTIBLE (IN), UNINTERRUPTIBLE (UN) and so on, as the letters that ps has. */
const STATES: Readonly<Record<string, string>> = {
  RU: 'R',
  IN: 'S',
  UN: 'D',
  ID: 'I',
  ST: 'T',
  TR: 't',
  ZO: 'Z',
  DE: 'X',
  PA: 'P',
};
const PS = /^(>?) *(\d+) +(-?\d+) +(\d+) +([0-9a-f]{16}) +(\S+) +[\d.]+ +(\d+) +(\d+) {2}(.*)$/gm;

export function parsePs(text: string): Row[] {
  return [...text.matchAll(PS)].map(
    ([, active, pid, ppid, cpu, task = '', state = '', , rss, name = '']): Row => {
      const parent = Number(ppid);
      return {
        pid: Number(pid),
        ppid: parent < 0 ? undefined : parent,
        cpu: Number(cpu),
        task: address(task),
        state: STATES[state] ?? state,
        rss: Number(rss) * 1024,
        // Threads of the kernel stand in brackets.
        comm: name.replace(/^\[(.*)\]$/, '$1'),
        oncpu: active === '>' ? 1 : 0,
      };
    },
  );
}

const HEAD = /^PID: (\d+) +TASK: ([0-9a-f]{16}) +CPU: (\d+) +COMMAND: "(.*)"$/;
const FRAME = /^ *#\d+ \[([0-9a-f]{16})\] (\S+) at ([0-9a-f]{16})(?: \[([^\]]+)\])?/;
/** Offsets of exceptions are decimal. */
const EXCEPTION = /^ *\[exception RIP: ([^+\]]+)(?:\+(\d+))?\]/;
const RIP = /^ *RIP: ([0-9a-f]{16}) /;

/** `bt` and `bt -a`. */
export function parseBt(text: string): CrashStack[] {
  const stacks: (CrashStack & { frames: Frame[] })[] = [];
  let exception: { readonly name: string; readonly offset: number } | undefined;
  for (const line of text.split('\n')) {
    const head = HEAD.exec(line);
    if (head !== null) {
      const [, pid, task = '', cpu, comm = ''] = head;
      stacks.push({ pid: Number(pid), task: address(task), cpu: Number(cpu), comm, frames: [] });
      exception = undefined;
      continue;
    }
    const frames = stacks.at(-1)?.frames;
    if (frames === undefined) continue;
    const frame = FRAME.exec(line);
    const at = EXCEPTION.exec(line);
    const rip = RIP.exec(line);
    if (frame !== null) {
      const [, sp = '', name = '', ip = '', module] = frame;
      frames.push({
        ip: address(ip),
        sp: address(sp),
        function: name,
        kind: 'normal',
        ...(module === undefined ? {} : { module }),
      });
    } else if (at !== null) {
      exception = { name: at[1] ?? '', offset: Number.parseInt(at[2] ?? '0', 10) };
    } else if (rip !== null && exception !== undefined) {
      frames.push({
        ip: address(rip[1] ?? ''),
        function: exception.name,
        offset: exception.offset,
        kind: 'exception',
      });
      exception = undefined;
    }
  }
  return stacks;
}

const MODULE = /^([0-9a-f]{16}) +(\S+) +([0-9a-f]{16}) +(\d+)/gm;

export function parseMod(text: string): Row[] {
  return [...text.matchAll(MODULE)].map(([, , module, base = '', size]): Row => {
    return { module, size: Number(size), address: address(base) };
  });
}

const LINE = /^\[ *(\d+\.\d+)\] (.*)$/;
/** KERN_DEFAULT: `log` does not tell levels. */
const LEVEL = 4;

export function parseLog(text: string): DmesgEntry[] {
  const entries: DmesgEntry[] = [];
  for (const line of text.split('\n')) {
    const [, seconds, said] = LINE.exec(line) ?? [];
    if (said === undefined) continue;
    const nobody = { cpu: -1, pid: -1, tid: -1, comm: '' };
    entries.push({ at_ms: Math.round(Number(seconds) * 1e6) / 1000, ...nobody, text: said, level: LEVEL });
  }
  return entries;
}

/** Of each CPU what it ran, as `bt -a` has it. */
export function madeOfStacks(stacks: readonly CrashStack[], panicCpu: number | undefined): Made {
  return {
    tables: {
      cpus: stacks.map(({ cpu, pid, comm, task, frames }) => ({
        cpu,
        pid,
        comm,
        task,
        state: cpu === panicCpu ? 'panic' : 'unknown',
        function: frames[0]?.function,
      })),
    },
    stacks: stacks.map(({ frames, ...task }) => ({
      ...task,
      state: 'R',
      frames,
      exact: false,
      stopped: 'unwound by crash, which may take what is left over on the stack for frames',
    })),
  };
}
