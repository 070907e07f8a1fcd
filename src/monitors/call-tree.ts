import { CALL_NAMES, COMPAT } from './calls.ts';
import type { Clause, EventSpec, Monitor, OperatorSpec, Options, Plan } from './monitor.ts';

/** Without functions: what filesystems, their journal and block devices tell, below the system call. */
const GROUPS = ['ext4:*', 'jbd2:*', 'block:*'];

/** Number of a call, told apart by the kind of program (see syscalls). */
const CALL = `($compat ? id | ${COMPAT} : id)`;
/** Returns from signal handlers have lost their number: a call that would never end. */
const LASTING = `!oneof(${CALL}, 15, ${COMPAT + 119}, ${COMPAT + 173})`;

const MOST_LINES = 50_000;
/** Of a whole system, which calls all the time. */
const MOST_LINES_OF_ALL = 5_000;

/** ext3 has been served by ext4 since Linux 4.3: its functions have that name. */
const renamed = (pattern: string): string => pattern.replace(/^ext3(?=[_*])/, 'ext4');

/** Systems of events that functions of such names belong to: `ext4_*` → `ext4:ext4_*`, `:mod:xfs` → `xfs:*`. */
function groupOf(pattern: string): string[] {
  const module = /:mod:(\w+)$/.exec(pattern)?.[1];
  if (module !== undefined) return [`${module}:*`];
  const system = /^([a-z][a-z0-9]*)[_*]/.exec(pattern)?.[1];
  return system === undefined ? [] : [`${system}:${pattern}`];
}

/** What is wanted of functions: none given means none, never all by accident. */
const wantsFunctions = (options: Options): boolean =>
  options.all === true || (options.functions ?? []).length > 0 || (options.subtrees ?? []).length > 0;

function treeOf(options: Options): Pick<OperatorSpec, 'op' | 'name' | 'keep' | 'leaves' | 'others'> {
  const command = options.command !== undefined;
  return {
    op: 'calls',
    name: 'calls',
    // Of a command the whole run counts.
    keep: command,
    leaves: options.collapse,
    // Reading what was traced makes calls too.
    others: options.pids === undefined && !command,
  };
}

function common(
  options: Options,
): Pick<Plan, 'backend' | 'complete' | 'shed' | 'command' | 'command_to_file'> {
  return {
    backend: 'tracefs',
    complete: true,
    // Of a command the whole run counts: that is nothing to be scaled.
    shed:
      options.command === undefined
        ? { last: 'duty', lacks: 'calls that take longer than that are cut' }
        : { last: 'off' },
    command: options.command,
    command_to_file: options.command_quiet,
  };
}

/** The kernel's own tracer of functions. */
function functionPlan(options: Options): Plan {
  const given = options.functions ?? [];
  const functions = given.map(renamed);
  const than = options.than_us ?? 0;
  const name = { function: 'func:ksym' };
  const exits: Clause =
    than > 0
      ? // Then there are no entries, and nothing to stack.
        { event: 'exit', as: 'whole', key: name, add: { duration: 'rettime - calltime', depth: 'depth' } }
      : { event: 'exit', as: 'exit', key: name, add: { duration: 'rettime - calltime' } };
  const entries: EventSpec[] = than > 0 ? [] : [{ id: 'enter', names: ['ftrace:funcgraph_entry'] }];
  return {
    ...common(options),
    graph: {
      functions: options.all === true ? [] : functions,
      subtrees: (options.subtrees ?? []).map(renamed),
      depth: options.depth,
      than_us: than,
      pids: options.pids,
    },
    notes: given.some((pattern, index) => pattern !== functions[index])
      ? ['ext3 is served by ext4 in this kernel: its functions are called ext4_*']
      : [],
    events: [...entries, { id: 'exit', names: ['ftrace:funcgraph_exit'] }],
    operators: [
      {
        ...treeOf(options),
        cap: MOST_LINES,
        on: [...(than > 0 ? [] : [{ event: 'enter', as: 'enter', key: name } as const]), exits],
      },
    ],
    otherwise: eventPlan(options),
  };
}

/** System calls, and what the kernel tells between their entry and return in the same thread. */
function eventPlan(options: Options): Plan {
  const given = (options.functions ?? []).map(renamed);
  const found = given.flatMap(groupOf);
  const groups = found.length > 0 ? found : GROUPS;
  const narrow = options.pids !== undefined || options.command !== undefined;
  const vain = [
    ...((options.subtrees ?? []).length > 0 ? ['-g/--subtree'] : []),
    ...(options.depth === undefined ? [] : ['--depth']),
    ...(options.than_us === undefined ? [] : ['--than']),
  ];
  const call = { call: `${CALL}:call` };
  const context = { context: '1' };
  return {
    ...common(options),
    names: { call: CALL_NAMES },
    notes: [
      ...(wantsFunctions(options)
        ? []
        : [
            'system calls and events; functions are shown when they are named, such as ext4_* (--all: every one)',
          ]),
      ...(vain.length === 0 ? [] : [`${vain.join(', ')}: only where functions can be traced`]),
    ],
    events: [
      { id: 'sys_enter', names: ['raw_syscalls:sys_enter'] },
      { id: 'sys_exit', names: ['raw_syscalls:sys_exit'] },
      { id: 'inner', names: groups, optional: '' },
    ],
    operators: [
      { op: 'abi', name: 'abi', on: [{ event: 'sys_exit', add: { compat: 'id == 11' } }] },
      {
        ...treeOf(options),
        pids: options.pids,
        cap: narrow ? MOST_LINES : MOST_LINES_OF_ALL,
        // Of a whole system only the calls in which something of that kind happened.
        only: given.length > 0 || !narrow,
        on: [
          { event: 'sys_enter', as: 'enter', key: call, group: context, where: LASTING },
          { event: 'sys_exit', as: 'exit', key: call, group: context, where: `id >= 0 && ${LASTING}` },
          // In an interrupt it is no work of the task that is interrupted.
          { event: 'inner', key: { event: '' }, where: '!$irq' },
        ],
      },
    ],
  };
}

export const calls: Monitor = {
  name: 'calls',
  title: 'Calls',
  summary: 'Which kernel functions call which, thread by thread, and how long each takes',
  options: ['pid', 'than', 'subtree', 'depth', 'all', 'yes', 'collapse'],
  than_unit: 'us',
  words: 'FUNCTION',
  command: true,
  plan: (options): Plan => (wantsFunctions(options) ? functionPlan(options) : eventPlan(options)),
  panels: [
    { kind: 'log', id: 'tree', title: 'Calls', log: 'calls', stamp: 'none', keep: 20_000 },
    {
      kind: 'table',
      id: 'rows',
      title: 'Functions',
      table: 'calls',
      sort: { column: 'self_us', descending: true },
      empty: 'nothing was called in this interval',
      columns: [
        {
          id: 'function',
          title: 'FUNCTION',
          help: 'function, system call or event',
          format: 'text',
          min: 20,
        },
        {
          id: 'calls',
          title: 'CALLS',
          help: 'how often it returned, or happened',
          sum: true,
          format: 'int',
          min: 8,
        },
        {
          id: 'total_us',
          from: 'total_ns',
          scale: 1e-3,
          title: 'TOTAL_US',
          help: 'time in it and in what it called; once where it calls itself',
          sum: true,
          format: 'us',
          decimals: 3,
          min: 12,
        },
        {
          id: 'avg_us',
          from: 'avg_ns',
          scale: 1e-3,
          title: 'AVG_US',
          help: 'mean time of a call',
          format: 'us',
          decimals: 3,
          min: 10,
          priority: 1,
        },
        {
          id: 'max_us',
          from: 'max_ns',
          scale: 1e-3,
          title: 'MAX_US',
          help: 'longest call',
          format: 'us',
          decimals: 3,
          min: 10,
        },
        {
          id: 'self_us',
          from: 'self_ns',
          scale: 1e-3,
          title: 'SELF_US',
          help: 'time in it without what it called, as far as that is traced',
          sum: true,
          format: 'us',
          decimals: 3,
          min: 12,
        },
      ],
    },
    {
      kind: 'stacks',
      id: 'stacks',
      title: 'Time by call chain (ns)',
      table: 'calls_stacks',
      stack: 'stack',
      value: 'self_ns',
      by: ['comm'],
    },
  ],
};
