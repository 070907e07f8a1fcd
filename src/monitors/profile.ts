import { type Monitor, numberAt, type Plan, type Table } from './monitor.ts';

const FREQUENCY = 99;

function withShares(stacks: Table): Table {
  const count = stacks.columns.count;
  let total = 0;
  for (let row = 0; row < stacks.length; row += 1) total += numberAt(count, row);
  const pct = Float64Array.from({ length: stacks.length }, (_, row) => (100 * numberAt(count, row)) / total);
  return { ...stacks, columns: { ...stacks.columns, pct } };
}

export const profile: Monitor = {
  name: 'profile',
  title: 'Profile',
  summary: 'Which kernel code the CPUs run, as an icicle of call chains',
  options: [
    'cpu',
    'freq',
    'call-graph',
    'exclude-user',
    'exclude-kernel',
    'exclude-guest',
    'guest',
    'than',
    'mmap-pages',
  ],
  than_unit: 'percent',
  plan: (options): Plan => {
    const frequency = options.frequency ?? FREQUENCY;
    return {
      cpus: options.cpus,
      mmap_pages: options.mmap_pages,
      backend: options.backend,
      events: [],
      sampler: {
        frequency,
        hardware: true,
        stack: true,
        exclude_idle: true,
        exclude_user: options.exclude_user,
        exclude_kernel: options.exclude_kernel,
        exclude_guest: options.exclude_guest,
        guest_only: options.guest,
      },
      operators: [
        {
          op: 'sample',
          name: 'stacks',
          busy_pct: options.than_pct,
          busy_frequency: frequency,
          on: [
            {
              event: '@clock',
              where: '$tid != 0',
              key: { stack: '$stack', comm: '$comm', user: '$user', cpu: '$cpu' },
              add: { count: '1' },
            },
          ],
        },
      ],
    };
  },
  derive: (tables): Record<string, Table> =>
    tables.stacks === undefined ? {} : { stacks: withShares(userFrames(tables.stacks)) },
  quiet: (tables) =>
    tables.stacks?.length === 0 ? 'No sample: the CPUs were idle (or not busy enough for --than)' : undefined,
  panels: [
    {
      kind: 'stacks',
      id: 'stacks',
      title: 'Call chains',
      table: 'stacks',
      stack: 'stack',
      value: 'count',
      by: ['comm', 'cpu'],
    },
    {
      kind: 'table',
      id: 'rows',
      title: 'Stacks',
      table: 'stacks',
      sort: { column: 'count', descending: true },
      empty: 'no sample',
      columns: [
        { id: 'count', title: 'COUNT', help: 'samples in the interval', format: 'int', min: 6 },
        { id: 'pct', title: 'PCT', help: '% of all samples of the interval', format: 'percent', min: 6 },
        { id: 'comm', title: 'COMMAND', help: 'name of the thread', format: 'text', min: 8, max: 16 },
        { id: 'cpu', title: 'CPU', help: 'CPU number', format: 'int', min: 4, priority: 1 },
        {
          id: 'stack',
          title: 'STACK',
          help: 'kernel call chain, innermost first; [user] = ran its own code',
          format: 'text',
          min: 20,
        },
      ],
    },
    { kind: 'log', id: 'log', title: 'Seconds over --than', log: 'stacks', incidents: true },
  ],
};

/** A sample in user mode has no kernel frames: it is one frame, `[user]`. */
function userFrames(stacks: Table): Table {
  const stack = stacks.columns.stack;
  if (stack === undefined || stack instanceof Float64Array) return stacks;
  const strings = stack.strings.map((text) => (text === '' ? '[user]' : text));
  return { ...stacks, columns: { ...stacks.columns, stack: { ids: stack.ids, strings } } };
}
