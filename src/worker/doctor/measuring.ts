/** perf, counters, accounting, and what other tools would find here. */
import { type Check, degraded, type Host, no, restricted, type Verdict, yes } from './check.ts';

const LOCKDOWN = '/sys/kernel/security/lockdown';

function perf({ addon }: Host): Verdict {
  const { tracepoints, clock, why, paranoid } = addon.probe(true);
  if (tracepoints) return yes();
  const cause = `${why} (kernel.perf_event_paranoid = ${paranoid})`;
  return clock ? degraded(cause) : restricted(cause);
}

/** A CPU's own events, of which none may vanish. */
function sampling({ addon }: Host): Verdict {
  const { tracepoints, loses_idle, why } = addon.probe(true);
  if (!tracepoints) return restricted(`not known: ${why}`, 'run ktop as root');
  return loses_idle
    ? degraded('events of idling CPUs are counted and not delivered (or a CPU was never idle meanwhile)')
    : yes();
}

function counted(error: string, what: string): Verdict {
  if (error === '') return yes();
  const rights = /permitted|permission/i.test(error);
  return rights ? restricted(`${what}: ${error}`) : no(`${what}: ${error}`);
}

function lockdown({ files }: Host): Verdict {
  const said = files.read(LOCKDOWN);
  const level = said === undefined ? undefined : (/\[(\w+)\]/.exec(said)?.[1] ?? said.trim());
  if (level === 'none') return yes();
  if (level !== undefined) return restricted(`the kernel is locked down: ${level}`);
  // Without securityfs, the kernel has said so when it started.
  const log = files.kernelLog();
  const line = log.find((each) => each.includes('Kernel is locked down'));
  if (line !== undefined) return restricted(line);
  if (log.length === 0)
    return restricted('not known: neither securityfs nor the kernel log can be read', 'run ktop as root');
  return yes('securityfs is not mounted; the kernel log tells of no lockdown');
}

function processIo({ files }: Host): Verdict {
  if (!files.has('/proc/self/io')) return no('no /proc/PID/io: built without CONFIG_TASK_IO_ACCOUNTING');
  const closed = files.list('/proc').filter((name) => {
    const path = `/proc/${name}/io`;
    // One that has ended meanwhile is not closed to us.
    return /^\d+$/.test(name) && files.read(path) === undefined && files.has(path);
  });
  if (closed.length === 0) return yes();
  return restricted(`/proc/PID/io cannot be read of ${closed.length} processes, such as ${closed[0]}`);
}

function delays({ files }: Host): Verdict {
  const set = files.read('/proc/sys/kernel/task_delayacct')?.trim();
  if (set === undefined)
    return no('no kernel.task_delayacct: before 5.14, or built without CONFIG_TASK_DELAY_ACCT');
  return set === '0' ? no('kernel.task_delayacct = 0') : yes();
}

function headers({ files, release }: Host): Verdict {
  const places = [`/lib/modules/${release}/build`, '/sys/kernel/kheaders.tar.xz'];
  const found = places.find((path) => files.has(path));
  return found === undefined ? no(`neither ${places.join(' nor ')}`) : yes(found);
}

function debugInfo({ files, release }: Host): Verdict {
  const id = buildId(files.bytes('/sys/kernel/notes'));
  const places = [
    `/usr/lib/debug/boot/vmlinux-${release}`,
    `/usr/lib/debug/lib/modules/${release}/vmlinux`,
    `/lib/modules/${release}/build/vmlinux`,
    ...(id === '' ? [] : [`/usr/lib/debug/.build-id/${id.slice(0, 2)}/${id.slice(2)}.debug`]),
  ];
  const found = places.find((path) => files.has(path));
  return found === undefined ? no(`no vmlinux with debuginfo of ${release} in /usr/lib/debug`) : yes(found);
}

/** Of the running kernel, from its ELF notes; `''` = not told. */
function buildId(notes: Buffer | undefined): string {
  for (let at = 0; notes !== undefined && at + 12 <= notes.length; ) {
    const named = notes.readUInt32LE(at);
    const size = notes.readUInt32LE(at + 4);
    const start = at + 12 + ((named + 3) & ~3);
    if (notes.readUInt32LE(at + 8) === 3 && notes.toString('latin1', at + 12, at + 16) === 'GNU\0')
      return notes.toString('hex', start, start + size);
    at = start + ((size + 3) & ~3);
  }
  return '';
}

function perfTool({ files }: Host): Verdict {
  const path = (process.env.PATH ?? '').split(':').map((directory) => `${directory}/perf`);
  const found = path.find((file) => files.has(file));
  return found === undefined ? no('perf is not in PATH') : yes(found);
}

const SAMPLED = ['profile', 'cpu-util', 'irq-off', 'offcpu', 'oncpu', 'rundelay', 'watchdog'];
/** Those that take perf first. */
const BY_PERF = ['nettop', 'disktop', 'kvm-exit', 'execs', 'trace', 'probe', 'watch', 'profile', 'cpu-util'];

export const MEASURING: readonly Check[] = [
  {
    name: 'perf',
    affects: BY_PERF,
    remedy: 'run ktop as root, or grant CAP_PERFMON and lower kernel.perf_event_paranoid',
    run: perf,
  },
  {
    name: 'sampling',
    affects: BY_PERF,
    remedy:
      'none is needed: monitors that need every event read a trace instance; others tell what was unseen',
    run: sampling,
  },
  {
    name: 'cpu-clock',
    affects: SAMPLED,
    remedy: 'run ktop as root, or grant CAP_PERFMON',
    run: ({ addon }) => {
      const { clock, why } = addon.probe(true);
      return clock ? yes() : restricted(why);
    },
  },
  {
    name: 'hardware-counters',
    affects: ['profile', 'cpu-util', 'percpu-stat', 'split-lock'],
    remedy: 'the CPU clock is taken instead; in a virtual machine its host must give it a PMU',
    run: ({ addon }) => {
      const { hardware, clock, why } = addon.probe(true);
      if (hardware) return yes();
      return clock
        ? no('cycles cannot be counted: no PMU here, as in most virtual machines')
        : restricted(`not known: ${why}`, 'run ktop as root');
    },
  },
  {
    name: 'loss-counts',
    affects: BY_PERF,
    remedy: 'none is needed: loss is then known from what the counters say',
    run: ({ addon }) => counted(addon.facts().format_lost, 'PERF_FORMAT_LOST (since 6.0) is refused'),
  },
  {
    name: 'not-locked-down',
    affects: ['calls', 'probe'],
    remedy: 'a kernel that is locked down for integrity still gives events and programs their probes',
    run: lockdown,
  },
  {
    name: 'process-io',
    affects: ['disktop'],
    remedy: 'run ktop as root (with CAP_SYS_PTRACE); of the others the block events tell',
    run: processIo,
  },
  {
    name: 'exit-records',
    affects: ['disktop'],
    remedy: 'run ktop as root, in the first network namespace; short-lived processes are missed otherwise',
    run: ({ addon }) => counted(addon.facts().taskstats, 'taskstats are refused'),
  },
  {
    name: 'delay-accounting',
    affects: [],
    remedy: 'sysctl kernel.task_delayacct=1, for tools that read it; ktop offcpu measures waits itself',
    run: delays,
  },
  {
    name: 'debuginfo',
    affects: ['probe', 'recipe'],
    remedy: 'install the debug package of this kernel, where lines and local variables are wanted',
    run: debugInfo,
  },
  {
    name: 'perf-tool',
    affects: ['probe', 'recipe'],
    remedy: 'install linux-perf, where lines and local variables are wanted; on no other account',
    run: perfTool,
  },
  {
    name: 'bpf',
    affects: [],
    remedy: 'none is needed: ktop does without',
    run: ({ addon }) => counted(addon.facts().bpf, 'no BPF program can be loaded'),
  },
  {
    name: 'kernel-headers',
    affects: [],
    remedy: 'bcc fails without them (linux-headers); ktop needs none',
    run: headers,
  },
];
