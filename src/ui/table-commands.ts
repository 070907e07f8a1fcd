/** What keys do to the order and the filter of a table. Each returns a word for the footer, or ''. */
import type { ColumnSpec, TablePanel } from '../monitors/monitor.ts';
import type { PanelView } from './state.ts';
import type { Key } from './terminal/keys.ts';

/** A table with its view and the columns it has on screen. */
export interface ActiveTable {
  readonly panel: TablePanel;
  readonly view: PanelView;
  readonly columns: readonly ColumnSpec[];
}

const MOST_FILTER = 200;

/** Position of the sort column among the columns on screen, 0 when it is none of them. */
export function sortPosition({ view, columns }: ActiveTable): number {
  return Math.max(
    0,
    columns.findIndex(({ id }) => id === view.query.sort),
  );
}

/** Sorts by the column at a position: numbers largest first, text from A; the same column keeps its order. */
export function sortBy({ view, columns }: ActiveTable, position: number): string {
  const column = columns[position];
  if (column === undefined) return '';
  const { query } = view;
  const descending = column.id === query.sort ? query.descending : column.format !== 'text';
  view.query = { ...query, sort: column.id, descending };
  return `sorted by ${column.title}`;
}

/** Moves the sort column by one to the left or right. */
export function moveSort(table: ActiveTable, step: 1 | -1): string {
  const hidden = table.columns.every(({ id }) => id !== table.view.query.sort);
  const at = sortPosition(table);
  const next = hidden ? at : Math.max(0, Math.min(table.columns.length - 1, at + step));
  return next === at && !hidden ? '' : sortBy(table, next);
}

/** Turns the order round. */
export function reverse({ view }: ActiveTable): string {
  view.query = { ...view.query, descending: !view.query.descending };
  return view.query.descending ? 'largest first' : 'smallest first';
}

/** Tree on and off. */
export function toggleTree({ panel, view }: ActiveTable): string {
  if (panel.tree === undefined) return 'this table has no tree';
  view.query = { ...view.query, tree: !view.query.tree };
  return '';
}

/** Edits the filter by a key; the rows follow while it is typed. */
export function editFilter(view: PanelView, key: Key): void {
  const { filter } = view.query;
  if (key.name === 'backspace') setFilter(view, [...filter].slice(0, -1).join(''));
  else if (key.name === 'ctrl-u') setFilter(view, '');
  else if (key.name === 'ctrl-w') setFilter(view, filter.replace(/\S*\s*$/, ''));
  else if (key.text !== '') setFilter(view, filter + key.text.replace(/\s+/g, ' '));
}

/** Sets the filter; the view starts at its top again. */
export function setFilter(view: PanelView, filter: string): void {
  view.query = { ...view.query, filter: filter.slice(0, MOST_FILTER) };
  view.scroll = 0;
}
