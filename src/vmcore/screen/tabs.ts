/** The tabs of the dashboard on a vmcore: a section of the report each, an overview before them, crash behind. */
import type { ColumnSpec, Link, LogPanel, Monitor, TablePanel } from '../../monitors/monitor.ts';
import { SECTIONS } from '../layout.ts';
import type { SectionName } from '../report.ts';

/** Names of the tabs as recordings and the command line know them. */
export const OVERVIEW = 'core';
export const CRASH = 'core-crash';
export const isCoreTab = (name: string): boolean => /^core(-|$)/.test(name);
export const tabOf = (section: SectionName): string => `core-${section.replaceAll('_', '-')}`;

const text = (id: string, title: string, help: string, more: Partial<ColumnSpec> = {}): ColumnSpec => ({
  id,
  title,
  help,
  format: 'text',
  ...more,
});

const FACTS: TablePanel = {
  kind: 'table',
  id: 'facts',
  title: 'What happened',
  table: 'facts',
  columns: [
    { id: 'rank', title: '#', help: 'order', format: 'int', hidden: 'both' },
    text('fact', 'FACT', 'what is known', { min: 10, max: 14 }),
    text('value', 'VALUE', 'of this core; a dash where it could not be read', { min: 20 }),
  ],
  sort: { column: 'rank', descending: false },
  empty: 'nothing could be read',
};

const FINDINGS: TablePanel = {
  kind: 'table',
  id: 'findings',
  title: 'Findings',
  table: 'findings',
  columns: [
    { id: 'rank', title: '#', help: 'most severe first', format: 'int', hidden: 'both' },
    text('severity', 'SEVERITY', 'alarm, warning, notice', { min: 7, max: 8 }),
    text('finding', 'FINDING', 'what was found', { min: 20 }),
    text('rule', 'RULE', 'name of the rule', { priority: 3, max: 20 }),
    text('stack', 'EVIDENCE', 'what it rests on', { priority: 2, hidden: 'screen' }),
  ],
  sort: { column: 'rank', descending: false },
  empty: 'no rule found anything; the tables have the facts',
};

const STACK: TablePanel = {
  kind: 'table',
  id: 'blamed',
  title: 'Blamed stack, innermost first',
  table: 'blamed',
  columns: [
    { id: 'depth', title: '#', help: 'depth, 0 = innermost', format: 'int' },
    text('function', 'FUNCTION', 'symbol with offset and size', { min: 20 }),
    text('kind', 'KIND', 'exception, irq, nmi: interrupted here', { priority: 2, max: 10 }),
    text('module', 'MODULE', 'kernel module', { priority: 2, max: 20 }),
  ],
  sort: { column: 'depth', descending: false },
  empty: 'no stack to blame',
};

const NO_PLAN = { events: [], operators: [] };

function tab(
  name: string,
  title: string,
  summary: string,
  panels: readonly (TablePanel | LogPanel)[],
): Monitor {
  return { name, title, summary, options: [], plan: () => NO_PLAN, panels };
}

/** Where a row of a section leads first, before what columns of the same name tell: from task to stack to lock to owner. */
const to = (section: SectionName, from: string, column = from): Link => ({
  from,
  to: tabOf(section),
  column,
});
const OF_TASK = [to('backtraces', 'pid'), to('tasks', 'pid')];
const LINKS: Readonly<Record<string, readonly Link[]>> = {
  tasks: [to('backtraces', 'pid'), to('locks', 'lock'), to('locks', 'pid', 'owner_pid')],
  backtraces: [to('tasks', 'pid'), to('locks', 'pid', 'owner_pid')],
  cpus: OF_TASK,
  current: OF_TASK,
  runqueues: OF_TASK,
  locks: [to('tasks', 'owner_pid', 'pid'), to('backtraces', 'owner_pid', 'pid')],
  waits: [to('tasks', 'owner_pid', 'pid'), to('backtraces', 'owner_pid', 'pid'), to('backtraces', 'pid')],
};

function withLinks(panel: TablePanel | LogPanel): TablePanel | LogPanel {
  const links = panel.kind === 'table' ? LINKS[panel.id] : undefined;
  return panel.kind === 'table' && links !== undefined ? { ...panel, links } : panel;
}

/** In the order of the tab bar; the sections as layout.ts has them. */
export const coreTabs: readonly Monitor[] = [
  tab(OVERVIEW, 'Overview', 'why the kernel died', [FACTS, FINDINGS, STACK]),
  ...SECTIONS.map(({ name, title, summary, panels }) =>
    tab(tabOf(name), title, summary, panels.map(withLinks)),
  ),
  tab(CRASH, 'crash', 'commands of crash on the same core; ! asks for one', [
    {
      ...{ kind: 'log', id: 'output', title: 'Output of crash', log: 'output', stamp: 'none', keep: 20_000 },
      ...{ nobodys: true, empty: 'nothing asked yet; ! takes a command, such as bt -a' },
    },
  ]),
];
