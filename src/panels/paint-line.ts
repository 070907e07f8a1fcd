/** A value over time. */
import * as asciichart from 'asciichart';
import type { LinePanel } from '../monitors/monitor.ts';
import { numberAt, type Table } from '../sources/snapshot.ts';
import type { Region } from './grid.ts';
import { paintTitle } from './paint-title.ts';
import { LOOK, type Theme } from './theme.ts';

/** Lines wanted, title included. */
export const LINE_HEIGHT = 6;

const AXIS_WIDTH = 9;
const ASCII_SYMBOLS: [string, string, string, string, string, string, string, string, string, string] = [
  '+',
  '|',
  '-',
  '-',
  '-',
  '`',
  '.',
  '.',
  "'",
  '|',
];

/** The one number of a snapshot that the panel draws; NaN when there are no rows. */
export function lineValue(panel: LinePanel, table: Table | undefined): number {
  if (table === undefined) return Number.NaN;
  const column = table.columns[panel.column];
  let sum = 0;
  let count = 0;
  let most = Number.NEGATIVE_INFINITY;
  for (let row = 0; row < table.length; row += 1) {
    const value = numberAt(column, row);
    if (Number.isNaN(value)) continue;
    sum += value;
    count += 1;
    most = Math.max(most, value);
  }
  if (panel.how === 'sum') return sum;
  if (count === 0) return Number.NaN;
  return panel.how === 'mean' ? sum / count : most;
}

/** Paints title and chart of the newest values that fit; `history` is oldest first, NaN where unknown. */
export function paintLine(
  region: Region,
  panel: LinePanel,
  history: readonly number[],
  interval_ms: number,
  focused: boolean,
  theme: Theme,
): void {
  const shown = history.slice(-Math.max(1, region.width - AXIS_WIDTH - 2)).filter(Number.isFinite);
  if (shown.length === 0) {
    paintTitle(region, panel.title, [], focused, theme);
    region.put(2, 1, 'No values yet.', LOOK.dim);
    return;
  }
  const now = shown.at(-1) as number;
  const most = Math.max(...shown);
  const span = Math.round((shown.length * interval_ms) / 1000);
  const about = `now ${short(now)}  most ${short(most)} in ${span} s`;
  paintTitle(region, panel.title, [{ text: about, style: LOOK.label }], focused, theme);
  const height = region.height - 1;
  if (height < 2) return;
  for (const [y, line] of chartLines(shown, height, panel.max, theme.ascii).entries()) {
    region.put(0, 1 + y, line.slice(0, AXIS_WIDTH), LOOK.label);
    region.put(AXIS_WIDTH, 1 + y, line.slice(AXIS_WIDTH), LOOK.bar);
  }
}

/**
 * asciichart behind a guard: never empty, all finite, bounds apart, never more than `height` lines.
 * The scale starts at nought, so that a small wobble does not look like a storm.
 */
export function chartLines(
  values: readonly number[],
  height: number,
  most: number | undefined,
  ascii: boolean,
): string[] {
  const finite = values.filter(Number.isFinite);
  if (finite.length === 0 || height < 1) return [];
  const min = Math.min(0, ...finite);
  const max = Math.max(min + Number.EPSILON * 2 ** 20, most ?? 0, ...finite);
  const top = max - min < 1e-9 ? min + 1 : max;
  const chart = asciichart.plot(finite, {
    min,
    max: top,
    // asciichart draws one line more than its height, and may round up to another.
    height: Math.max(1, height - 1),
    format: (value: number) => short(value).padStart(AXIS_WIDTH - 2),
    offset: 2,
    ...(ascii ? { symbols: ASCII_SYMBOLS } : {}),
  });
  const lines = chart.split('\n');
  return lines.length > height ? lines.slice(0, height - 1).concat(lines.at(-1) as string) : lines;
}

/** At most seven characters. */
function short(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e15) return value.toExponential(1);
  for (const [unit, factor] of [
    ['T', 1e12],
    ['G', 1e9],
    ['M', 1e6],
    ['k', 1e4],
  ] as const) {
    if (size >= factor) return `${(value / (unit === 'k' ? 1e3 : factor)).toFixed(1)}${unit}`;
  }
  return size >= 100 || Number.isInteger(value) ? value.toFixed(0) : value.toFixed(1);
}
