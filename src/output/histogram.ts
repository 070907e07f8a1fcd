/** log2 histograms in the layout that perf-monitor's users know. */
import { sanitise } from '../panels/sanitise.ts';
import type { Histogram } from '../sources/snapshot.ts';

const STARS = 40;

/** Per histogram a heading with its unit and one line per bucket; nothing for empty ones. */
export function histogramLines(title: string, histograms: readonly Histogram[]): string[] {
  return histograms
    .filter(({ count }) => count.length > 0)
    .flatMap((histogram) => oneHistogram(title, histogram));
}

function oneHistogram(title: string, histogram: Histogram): string[] {
  const { low, high, count } = histogram;
  const most = count.reduce((greatest, value) => Math.max(greatest, value), 0);
  const label = histogram.label === '' ? '' : `${sanitise(histogram.label)} `;
  const unit = histogram.unit === '' ? '' : `(${sanitise(histogram.unit)})`;
  const widest = Math.max(10, String(high.at(-1) ?? 0).length);
  const head = `${`${label}${title}${unit}`.padStart(2 * widest + 4)} : ${'count'.padEnd(9)}distribution`;
  const lines = Array.from(count, (value, index) => {
    const from = String(low[index] ?? 0).padStart(widest);
    const to = String(high[index] ?? 0).padEnd(widest);
    const stars = most > 0 && value > 0 ? Math.floor(STARS * Math.min(1, value / most)) : 0;
    return `${from} -> ${to} : ${String(value).padEnd(9)}|${'*'.repeat(stars).padEnd(STARS)}|`;
  });
  return [head, ...lines];
}
