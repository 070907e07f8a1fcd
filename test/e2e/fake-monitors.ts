/** Monitors that need no kernel: stacks, logs, and as many tabs as there will ever be. */
import { monitors } from '../../src/monitors/index.ts';
import type { LogPanel, Monitor, StacksPanel, TablePanel } from '../../src/monitors/monitor.ts';

export const STACKS: StacksPanel = {
  kind: 'stacks',
  id: 'icicle',
  title: 'Where CPU time goes',
  table: 'samples',
  stack: 'stack',
  value: 'count',
  by: ['comm', 'cpu'],
};

const LOG: LogPanel = { kind: 'log', id: 'events', title: 'Events', log: 'events' };

const COUNTS: TablePanel = {
  kind: 'table',
  id: 'rows',
  title: 'Counts',
  table: 'counts',
  columns: [
    { id: 'pid', title: 'PID', help: 'process', format: 'int' },
    { id: 'count', title: 'COUNT', help: 'events', format: 'int' },
    { id: 'comm', title: 'COMMAND', help: 'its name', format: 'text' },
  ],
  sort: { column: 'count', descending: true },
  empty: 'nothing counted',
};

function monitor(name: string, title: string, panels: Monitor['panels']): Monitor {
  return {
    name,
    title,
    summary: `what ${name} does`,
    options: [],
    plan: () => ({ events: [], operators: [] }),
    panels,
  };
}

export const profile = monitor('profile', 'Profile', [STACKS]);
export const trace = monitor('trace', 'Trace', [LOG, COUNTS]);
export const irqOff = monitor('irq-off', 'IRQ off', [COUNTS, { ...LOG, title: 'Hits', incidents: true }]);

/** One panel of every other kind. */
export const showcase = monitor('showcase', 'Showcase', [
  {
    kind: 'bars',
    id: 'bars',
    title: 'CPUs',
    table: 'cpus',
    label: 'cpu',
    segments: [
      { column: 'sys', title: 'sys', mark: 'S', colour: 'red' },
      { column: 'usr', title: 'usr', mark: 'u', colour: 'green' },
    ],
  },
  { kind: 'line', id: 'line', title: '%sys', table: 'cpus', column: 'sys', how: 'mean', max: 100 },
  {
    ...COUNTS,
    columns: [
      ...COUNTS.columns,
      { id: 'ppid', title: 'PPID', help: 'its parent', format: 'int', priority: 1 },
    ],
    tree: { id: 'pid', parent: 'ppid' },
  },
  { kind: 'histogram', id: 'histogram', title: 'Latency', histogram: 'latency' },
  LOG,
]);

/** The first six real ones, and made-up ones in place of the others. */
export const manyMonitors: readonly Monitor[] = [
  ...monitors.slice(0, 6),
  irqOff,
  profile,
  trace,
  monitor('signal', 'Signal', [LOG]),
  monitor('watchdog', 'Watchdog', [COUNTS]),
  monitor('split-lock', 'SplitLock', [COUNTS]),
  monitor('percpu-stat', 'PerCPU', [COUNTS]),
  monitor('mpdelay', 'MPDelay', [COUNTS]),
];
