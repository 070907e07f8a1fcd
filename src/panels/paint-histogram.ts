/** log2 histograms: one as a list of buckets with bars, several (one per CPU, say) as rows of heat cells. */
import type { HistogramPanel } from '../monitors/monitor.ts';
import type { Histogram } from '../sources/snapshot.ts';
import { textWidth } from './char-width.ts';
import type { Region } from './grid.ts';
import { paintTitle } from './paint-title.ts';
import { sanitise } from './sanitise.ts';
import { BOLD } from './style.ts';
import { barText, heatGlyph, heatStyle, LOOK, type Theme } from './theme.ts';

export interface Bucket {
  readonly low: number;
  readonly high: number;
  readonly count: number;
}

/** The buckets, at most `most`: where there are more, as many neighbours as needed are added up, evenly. */
export function foldBuckets(histogram: Histogram, most: number): Bucket[] {
  const length = histogram.count.length;
  const group = Math.ceil(length / Math.max(1, most));
  return Array.from({ length: Math.ceil(length / group) }, (_, index) => {
    const from = index * group;
    const last = Math.min(length, from + group) - 1;
    return {
      low: histogram.low[from] as number,
      high: histogram.high[last] as number,
      count: histogram.count.subarray(from, last + 1).reduce((sum, count) => sum + count, 0),
    };
  });
}

/** Lines wanted, title included. */
export function histogramLines(histograms: readonly Histogram[]): number {
  if (histograms.length > 1) return histograms.length + 2;
  return Math.max(1, histograms[0]?.count.length ?? 0) + 1;
}

/** Paints title and buckets; `scaled`: the counts are, which the title says. */
export function paintHistogram(
  region: Region,
  panel: HistogramPanel,
  histograms: readonly Histogram[],
  focused: boolean,
  theme: Theme,
  scaled = false,
): void {
  const filled = histograms.filter((histogram) => histogram.count.length > 0);
  const total = filled.reduce((sum, { count }) => sum + count.reduce((all, value) => all + value, 0), 0);
  const unit = filled[0]?.unit ?? '';
  const about =
    total > 0 ? [{ text: `${scaled ? '~' : ''}${total} in the interval, ${unit}`, style: LOOK.label }] : [];
  paintTitle(region, panel.title, about, focused, theme);
  const body = region.part(0, 1, region.width, region.height - 1);
  if (filled.length === 0) body.put(2, 0, 'Nothing measured in this interval.', LOOK.dim);
  else if (filled.length === 1) paintBuckets(body, filled[0] as Histogram, theme);
  else paintRows(body, filled, theme);
}

function paintBuckets(region: Region, histogram: Histogram, theme: Theme): void {
  const buckets = foldBuckets(histogram, region.height);
  const most = Math.max(1, ...buckets.map((bucket) => bucket.count));
  const total = buckets.reduce((sum, bucket) => sum + bucket.count, 0);
  const lowWidth = Math.max(...buckets.map((bucket) => String(bucket.low).length));
  const highWidth = Math.max(...buckets.map((bucket) => String(bucket.high).length));
  const countWidth = Math.max(...buckets.map((bucket) => String(bucket.count).length));
  for (const [y, { low, high, count }] of buckets.entries()) {
    const range = `${String(low).padStart(lowWidth)} ${theme.glyphs.dash} ${String(high).padEnd(highWidth)}`;
    let x = region.put(2, y, range, LOOK.label);
    x = region.put(x + 1, y, String(count).padStart(countWidth), count > 0 ? LOOK.value : LOOK.dim);
    const percent = `${((100 * count) / Math.max(1, total)).toFixed(1)}%`.padStart(7);
    x = region.put(x, y, percent, LOOK.dim) + 1;
    region.put(x, y, barText(count / most, Math.max(1, region.width - x - 1), theme), LOOK.bar);
  }
}

/** One line per histogram on a common scale of buckets, the bounds above. */
function paintRows(region: Region, histograms: readonly Histogram[], theme: Theme): void {
  const lows = [...new Set(histograms.flatMap(({ low }) => [...low]))].sort((a, b) => a - b);
  const labelWidth = Math.max(...histograms.map(({ label }) => textWidth(sanitise(label, theme.ascii))));
  const room = region.width - labelWidth - 12;
  const cell = Math.max(2, Math.min(8, Math.floor(room / lows.length)));
  const shown = lows.slice(-Math.max(1, Math.floor(room / cell)));
  for (const [index, low] of shown.entries()) {
    // Every second bound where cells are narrow.
    const text = shortNumber(low);
    if (cell > text.length || index % 2 === 0)
      region.put(labelWidth + 12 + index * cell, 0, text, LOOK.label);
  }
  const most = Math.max(1, ...histograms.flatMap(({ count }) => [...count]));
  for (const [index, { label, low, count }] of histograms.entries()) {
    const y = index + 1;
    const total = count.reduce((sum, value) => sum + value, 0);
    region.put(1, y, sanitise(label, theme.ascii).padStart(labelWidth), LOOK.label);
    region.put(labelWidth + 2, y, shortNumber(total).padStart(8), LOOK.value);
    for (const [bucket, value] of count.entries()) {
      const position = shown.indexOf(low[bucket] as number);
      if (position < 0 || value === 0) continue;
      // Logarithmic: a single outlier among thousands must be seen.
      const share = Math.log2(1 + value) / Math.log2(1 + most);
      const glyph = heatGlyph(share, theme).repeat(Math.max(1, cell - 1));
      region.put(labelWidth + 12 + position * cell, y, glyph, heatStyle(share, theme) | BOLD);
    }
  }
}

function shortNumber(value: number): string {
  if (value < 10_000) return String(value);
  return value < 10_000_000 ? `${Math.round(value / 1000)}k` : `${Math.round(value / 1_000_000)}M`;
}
