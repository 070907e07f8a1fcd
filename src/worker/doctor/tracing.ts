/** What tracefs can do, tried in an instance of our own that records nothing and is gone at the end. */
import { calls } from '../../monitors/call-tree.ts';
import { type Check, degraded, type Host, no, refused, restricted, type Verdict, yes } from './check.ts';

const FUNCTION = 'vfs_read\n';

/** For the time of `use`; tracing is off in it. */
function inInstance(host: Host, use: (path: string) => Verdict): Verdict {
  const path = `${host.tracefs}/instances/ktop_${process.pid}_doctor`;
  const error = host.files.make(path);
  if (error !== '') return refused('no trace instance can be made', error, 'run ktop as root');
  try {
    host.files.write(`${path}/tracing_on`, '0');
    return use(path);
  } finally {
    host.files.remove(path);
  }
}

/** Selected with a filter on one function, which costs nothing; what is not filtered is not selected. */
function selected({ files }: Host, path: string, tracer: string): string {
  const filtered = files.write(`${path}/set_ftrace_filter`, FUNCTION);
  const error = filtered === '' ? files.write(`${path}/current_tracer`, tracer) : filtered;
  if (error === '') files.write(`${path}/current_tracer`, 'nop');
  if (filtered === '') files.write(`${path}/set_ftrace_filter`, '\n');
  return error;
}

function offers({ files, tracefs }: Host, tracer: string): boolean {
  return (files.read(`${tracefs}/available_tracers`) ?? '').split(/\s+/).includes(tracer);
}

function functionTracer(host: Host): Verdict {
  return inInstance(host, (path) => {
    const error = selected(host, path, 'function');
    if (error === '') return yes();
    const listed = offers(host, 'function');
    const why = listed ? 'available_tracers has it, and it cannot be selected' : 'it cannot be selected';
    return listed || error === 'EPERM'
      ? refused(why, error)
      : no('this kernel was built without CONFIG_FUNCTION_TRACER');
  });
}

/** As `ktop calls` opens it, with its own care for whoever uses the only one there may be. */
function functionGraph(host: Host): Verdict {
  if (!offers(host, 'function_graph'))
    return no('available_tracers has no function_graph: built without CONFIG_FUNCTION_GRAPH_TRACER');
  const plan = calls.plan({ interval_ms: 1000, functions: ['vfs_read'], pids: [process.pid] });
  const handle = host.addon.open({ ...plan, otherwise: undefined });
  const { notes } = host.addon.close(handle);
  const borrowed = notes.find((note) => note.includes('borrowed'));
  return borrowed === undefined ? yes() : yes(borrowed);
}

function graphOfOurOwn(host: Host): Verdict {
  return inInstance(host, (path) => {
    const error = selected(host, path, 'function_graph');
    if (error === '') return yes();
    return offers(host, 'function_graph')
      ? no(`an instance does not take function_graph: ${error} (before 6.12)`)
      : no('this kernel has no function_graph', '');
  });
}

function histTrigger(host: Host): Verdict {
  return inInstance(host, (path) => {
    const event = `${path}/events/sched/sched_process_fork`;
    if (!host.files.has(`${event}/hist`))
      return no('events have no hist: built without CONFIG_HIST_TRIGGERS');
    const trigger = 'hist:keys=parent_pid';
    const error = host.files.write(`${event}/trigger`, trigger);
    if (error !== '') return refused('a hist trigger is refused', error);
    host.files.write(`${event}/trigger`, `!${trigger}`);
    return yes();
  });
}

function syntheticEvents({ files, tracefs }: Host): Verdict {
  const file = `${tracefs}/synthetic_events`;
  if (!files.has(file)) return no('no synthetic_events: built without CONFIG_SYNTH_EVENTS');
  const name = `ktop_${process.pid}_doctor`;
  const error = files.write(file, `${name} int pid`, true);
  if (error !== '') return refused('a synthetic event is refused', error);
  files.write(file, `!${name} int pid`, true);
  return yes();
}

function eventPid(host: Host): Verdict {
  return inInstance(host, (path) => {
    const error = host.files.write(`${path}/set_event_pid`, String(process.pid));
    return error === '' ? yes() : refused('set_event_pid is refused', error);
  });
}

/** A text behind a user pointer, compared by the filter. */
function userTexts(host: Host): Verdict {
  return inInstance(host, (path) => {
    const event = `${path}/events/syscalls/sys_enter_openat`;
    if (!host.files.has(`${event}/filter`))
      return no('no events of system calls: built without CONFIG_FTRACE_SYSCALLS');
    const error = host.files.write(`${event}/filter`, 'filename.ustring ~ "/nowhere/*"');
    return error === '' ? yes() : no(`a filter on filename.ustring is refused: ${error} (before 5.17)`);
  });
}

export const TRACING: readonly Check[] = [
  {
    name: 'tracefs',
    affects: ['all but cpu-util and split-lock'],
    remedy: 'as root: mount -t tracefs nodev /sys/kernel/tracing',
    run: ({ addon, tracefs }) => {
      const { mounted, root } = addon.probe(true);
      if (tracefs !== '') return yes(mounted ? `ktop has mounted it on ${tracefs}` : tracefs);
      return root
        ? no('tracefs cannot be mounted: this kernel was built without CONFIG_TRACING')
        : restricted('tracefs is not readable', 'run ktop as root');
    },
  },
  {
    name: 'instance',
    in_tracefs: true,
    affects: ['calls', 'strace', 'syscalls', 'slowfiles', 'files', 'conns', 'offcpu', 'task-state'],
    remedy: 'run ktop as root; without it events come through perf',
    run: (host) => inInstance(host, () => yes()),
  },
  {
    name: 'function-tracer',
    in_tracefs: true,
    affects: ['calls'],
    remedy: 'ktop calls shows system calls and the events within them instead',
    run: functionTracer,
  },
  {
    name: 'function-graph',
    in_tracefs: true,
    affects: ['calls'],
    remedy: 'ktop calls shows system calls and the events within them instead',
    run: functionGraph,
  },
  {
    name: 'graph-instance',
    in_tracefs: true,
    affects: ['calls'],
    remedy: 'the global tracer is borrowed and put back, where nobody else uses it',
    run: graphOfOurOwn,
  },
  {
    name: 'user-text-filter',
    in_tracefs: true,
    affects: ['watch', 'trace', 'hist'],
    remedy: 'none is needed: ktop decides on texts itself, at the price of every event',
    run: userTexts,
  },
  {
    name: 'event-pid',
    in_tracefs: true,
    affects: [],
    remedy: 'ktop filters by common_pid instead',
    run: eventPid,
  },
  {
    name: 'hist-trigger',
    in_tracefs: true,
    affects: [],
    remedy: 'none is needed: ktop hist counts with perf counters and filters',
    run: histTrigger,
  },
  {
    name: 'synthetic-event',
    in_tracefs: true,
    affects: [],
    remedy: 'none is needed: ktop pairs events itself (ktop mpdelay, ktop watch --lat)',
    run: syntheticEvents,
  },
  {
    name: 'function-profiler',
    in_tracefs: true,
    affects: [],
    remedy: 'funccount of perf-tools needs it; ktop calls counts without',
    run: ({ files, tracefs }) =>
      files.has(`${tracefs}/function_profile_enabled`)
        ? yes()
        : no('no function_profile_enabled: built without CONFIG_FUNCTION_PROFILER'),
  },
  {
    name: 'syscall-events',
    in_tracefs: true,
    affects: ['syscalls', 'strace', 'slowfiles', 'files', 'hist', 'watch', 'calls'],
    remedy: 'use a kernel with CONFIG_FTRACE_SYSCALLS',
    run: ({ files, tracefs }) => {
      const there = (name: string) => files.has(`${tracefs}/events/${name}/format`);
      if (!there('raw_syscalls/sys_enter'))
        return no('no raw_syscalls events: built without CONFIG_FTRACE_SYSCALLS');
      return there('syscalls/sys_enter_openat')
        ? yes()
        : degraded('raw_syscalls only: no event for each call');
    },
  },
  {
    name: 'io-uring-events',
    in_tracefs: true,
    affects: ['syscalls', 'strace', 'slowfiles', 'files'],
    remedy: 'what goes through io_uring is in no system call: watch the programs that use it with ktop trace',
    run: ({ files, tracefs }) =>
      files.has(`${tracefs}/events/io_uring`) ? yes() : no('this kernel has no io_uring, or no events of it'),
  },
];
