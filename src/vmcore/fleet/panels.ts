/** How the tables of a fleet are shown: one declaration for text, JSON and the dashboard. */
import type { ColumnSpec, TablePanel } from '../../monitors/monitor.ts';

const text = (id: string, title: string, help: string, more: Partial<ColumnSpec> = {}): ColumnSpec => ({
  id,
  title,
  help,
  format: 'text',
  ...more,
});

const RANK: ColumnSpec = { id: 'rank', title: '#', help: 'order', format: 'int', hidden: 'both' };

export const CLUSTERS_PANEL: TablePanel = {
  kind: 'table',
  id: 'clusters',
  title: 'clusters',
  table: 'clusters',
  sort: { column: 'rank', descending: false },
  empty: 'no core that could be compared',
  columns: [
    { ...RANK, help: 'largest first, of equals the one last seen' },
    text('cluster', 'CLUSTER', 'name of the cluster, the same from run to run'),
    { id: 'size', title: 'SIZE', help: 'cores that are this bug', format: 'int' },
    text('class', 'CLASS', 'how the kernel died, mostly'),
    text('blame', 'BLAME', 'function, or what else is to blame, mostly', { min: 16 }),
    text('module', 'MODULE', 'module of that function', { priority: 3 }),
    text('kernels', 'KERNELS', 'releases it was seen on', { priority: 2, min: 8 }),
    { id: 'hosts', title: 'HOSTS', help: 'hosts it was seen on', format: 'int', priority: 4 },
    text('first', 'FIRST', 'time of the first crash, UTC', { priority: 5, min: 17 }),
    text('last', 'LAST', 'time of the last crash, UTC', { priority: 1, min: 17 }),
    text('related', 'RELATED', 'clusters that are kin to it', { priority: 6 }),
    text('findings', 'FINDINGS', 'rules that found something in any of its cores', { priority: 7 }),
  ],
};

const CORE: readonly ColumnSpec[] = [
  text('key', 'KEY', 'name of the core, wherever its file lies', { priority: 6 }),
  text('file', 'FILE', 'where it lies, below the directory that all cores have in common', {
    min: 16,
    hidden: 'json',
  }),
  text('path', 'PATH', 'where it lies', { hidden: 'screen' }),
  text('host', 'HOST', 'host that crashed', { priority: 3 }),
  text('kernel', 'KERNEL', 'release of the kernel', { priority: 2 }),
  text('time', 'TIME', 'time of the crash, UTC', { priority: 1, min: 17 }),
  { id: 'uptime', title: 'UPTIME', help: 'seconds since boot', format: 'seconds', decimals: 0, priority: 5 },
  text('comm', 'TASK', 'name of the culprit task', { priority: 4 }),
  text('class', 'CLASS', 'how the kernel died', { priority: 2 }),
  text('blame', 'BLAME', 'function, or what else is to blame', { priority: 1 }),
];
const DISTANCE: ColumnSpec = {
  id: 'distance',
  title: 'DISTANCE',
  help: '0 = the same, 1 = nothing in common',
  format: 'number',
  decimals: 3,
};

export const MEMBERS_PANEL: TablePanel = {
  kind: 'table',
  id: 'members',
  title: 'cores of the cluster',
  table: 'members',
  sort: { column: 'time', descending: true },
  empty: 'no cores',
  columns: [
    ...CORE,
    text('reason', 'REASON', 'founder, exact, near, or decided by the user', { priority: 3 }),
    { ...DISTANCE, priority: 3 },
    text('why', 'WHY', 'what is the same and what differs', { priority: 1 }),
    { id: 'copies', title: 'COPIES', help: 'further files of the same core', format: 'int', priority: 7 },
  ],
};

export const SIMILAR_PANEL: TablePanel = {
  kind: 'table',
  id: 'similar',
  title: 'similar to this core',
  table: 'similar',
  sort: { column: 'distance', descending: false },
  empty: 'no core has anything in common with this one',
  columns: [
    DISTANCE,
    text('cluster', 'CLUSTER', 'cluster of the core'),
    ...CORE,
    text('why', 'WHY', 'what is the same and what differs', { priority: 1 }),
  ],
};

export const FACTS_PANEL: TablePanel = {
  kind: 'table',
  id: 'facts',
  title: 'facts of both',
  table: 'facts',
  sort: { column: 'rank', descending: false },
  empty: 'nothing is known of either',
  columns: [
    RANK,
    text('what', 'WHAT', 'name of the fact'),
    text('a', 'A', 'of the first core', { min: 16 }),
    text('b', 'B', 'of the second core', { min: 16 }),
    text('same', 'SAME', 'whether they are equal'),
  ],
};

export const FRAMES_PANEL: TablePanel = {
  kind: 'table',
  id: 'frames',
  title: 'blamed stacks, innermost first',
  table: 'frames',
  sort: { column: '', descending: false },
  empty: 'neither has a stack',
  columns: [
    text('a', 'A', 'frame of the first core', { min: 16 }),
    text('b', 'B', 'frame of the second core', { min: 16 }),
    { id: 'share', title: 'WEIGHT', help: 'share of the weight of both stacks, %', format: 'percent' },
  ],
};
