/** What of a monitor's panels goes into a text or a JSON object, and under which key: one rule for both. */
import type {
  BarsPanel,
  ColumnSpec,
  HistogramPanel,
  LogPanel,
  Monitor,
  StacksPanel,
  TablePanel,
} from '../monitors/monitor.ts';

export type ShownPanel = TablePanel | HistogramPanel | LogPanel | StacksPanel;

/**
 * Whether a table panel carries the stacks with their values already, each row with its stack: then JSON has them
 * in its rows.
 */
export function isCarried(monitor: Monitor, stacks: StacksPanel): boolean {
  return monitor.panels.some(
    (panel) =>
      panel.kind === 'table' &&
      panel.table === stacks.table &&
      [stacks.stack, stacks.value].every((wanted) =>
        panel.columns.some(
          ({ id, from, hidden }) => (from ?? id) === wanted && hidden !== 'json' && hidden !== 'both',
        ),
      ),
  );
}

/** A panel with its key in the JSON object. */
export interface Shown {
  readonly key: string;
  readonly panel: ShownPanel;
}

const FIRST_KEY = { table: 'rows', histogram: 'histogram', log: 'log', stacks: 'stacks' } as const;

/**
 * The panels that carry data of their own. The first table is `rows`, the first histogram `histogram`, the first log
 * `log`, the first stacks `stacks`, others go by their id. Bars become a table unless a table panel shows the same numbers; lines are drawn only.
 */
export function shownPanels(monitor: Monitor): readonly Shown[] {
  const tables = new Set(monitor.panels.flatMap((panel) => (panel.kind === 'table' ? [panel.table] : [])));
  const seen = new Set<string>();
  return monitor.panels.flatMap((panel): Shown[] => {
    if (panel.kind === 'line') return [];
    if (panel.kind === 'bars' && tables.has(panel.table)) return [];
    const shown = panel.kind === 'bars' ? barsAsTable(panel) : panel;
    const key = seen.has(shown.kind) ? shown.id : FIRST_KEY[shown.kind];
    seen.add(shown.kind);
    return [{ key, panel: shown }];
  });
}

function barsAsTable(panel: BarsPanel): TablePanel {
  const label: ColumnSpec = { id: panel.label, title: panel.label, help: panel.title, format: 'text' };
  const segments = panel.segments.map(
    ({ column, title }): ColumnSpec => ({ id: column, title, help: title, format: 'percent' }),
  );
  return {
    kind: 'table',
    id: panel.id,
    title: panel.title,
    table: panel.table,
    columns: [label, ...segments],
    sort: { column: '', descending: false },
    empty: 'nothing yet',
  };
}
