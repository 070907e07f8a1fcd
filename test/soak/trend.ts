/** Whether a series grows: a slope that a few odd values do not move, and how sure it is. */

export interface Trend {
  /** Units of the values per hour. */
  readonly slope: number;
  /** Half the width of the interval that holds the true slope in 95 of 100 runs. */
  readonly half: number;
  /** Steps of the fit. */
  readonly points: number;
}

const T_95 = [12.7, 4.3, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23];

/**
 * The least value of each cycle, as what a collector leaves is above what is kept; then the line of least squares through
 * them. `samples`: time in hours, value, and the number of the cycle it was taken in. Neighbouring cycles are not
 * independent, as a collection spans several: the error is widened by their correlation.
 */
export function trendOf(
  samples: readonly { readonly hours: number; readonly value: number; readonly cycle: number }[],
): Trend {
  const least = new Map<number, { hours: number; value: number }>();
  for (const { hours, value, cycle } of samples) {
    const known = least.get(cycle);
    if (known === undefined || value < known.value) least.set(cycle, { hours, value });
  }
  const points = [...least.values()];
  const count = points.length;
  if (count < 4) throw new Error(`${count} cycles are too few for a trend`);
  const mean = (of: readonly number[]) => of.reduce((sum, value) => sum + value, 0) / of.length;
  const [x0, y0] = [mean(points.map(({ hours }) => hours)), mean(points.map(({ value }) => value))];
  const xx = points.reduce((sum, { hours }) => sum + (hours - x0) ** 2, 0);
  const xy = points.reduce((sum, { hours, value }) => sum + (hours - x0) * (value - y0), 0);
  const slope = xy / xx;
  const rests = points.map(({ hours, value }) => value - y0 - slope * (hours - x0));
  const squares = rests.reduce((sum, rest) => sum + rest ** 2, 0);
  const products = rests.slice(1).reduce((sum, rest, at) => sum + rest * (rests[at] ?? 0), 0);
  const correlation = squares === 0 ? 0 : Math.min(0.9, Math.max(0, products / squares));
  const error = Math.sqrt(squares / (count - 2) / xx) * Math.sqrt((1 + correlation) / (1 - correlation));
  return { slope, half: (T_95[count - 3] ?? 2.05) * error, points: count };
}
