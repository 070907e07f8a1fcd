/** The tabs of the dashboard on a fleet: its clusters, its cores, and what was asked about them. */
import type { Monitor, PanelSpec } from '../../monitors/monitor.ts';
import { CLUSTERS_PANEL, MEMBERS_PANEL } from './panels.ts';

export const CLUSTERS = 'fleet';
export const CORES = 'fleet-cores';
export const ANSWERS = 'fleet-answers';

const NO_PLAN = { events: [], operators: [] };

const tab = (name: string, title: string, summary: string, panel: PanelSpec): Monitor => ({
  name,
  title,
  summary,
  options: [],
  plan: () => NO_PLAN,
  panels: [panel],
});

const [KEY, ...REST] = MEMBERS_PANEL.columns;

export const fleetTabs: readonly Monitor[] = [
  tab(CLUSTERS, 'Clusters', 'which bugs there are, and how many cores of each', {
    ...CLUSTERS_PANEL,
    title: 'Clusters',
  }),
  tab(CORES, 'Cores', 'every core, and why it is in its cluster', {
    ...MEMBERS_PANEL,
    title: 'Cores',
    columns: [
      { id: 'cluster', title: 'CLUSTER', help: 'cluster of the core', format: 'text' },
      ...(KEY === undefined ? [] : [KEY]),
      ...REST,
    ],
  }),
  tab(ANSWERS, 'Answers', '! asks: similar CORE, diff A B, merge C C, split CORE …', {
    kind: 'log',
    id: 'answers',
    title: 'Answers',
    log: 'output',
    stamp: 'none',
    keep: 20_000,
    nobodys: true,
    empty: 'nothing asked yet; ! takes a question or a decision, such as similar CORE',
  }),
];
