/** A threshold chosen without the cause it is judged by: each cause is clustered with what the others would have chosen. */
import { Clusters } from '../../../src/vmcore/cluster/clusters.ts';
import { bCubed, type Quality } from '../../../src/vmcore/cluster/evaluate.ts';
import type { Features } from '../../../src/vmcore/cluster/features.ts';

export interface Labelled {
  readonly features: Features;
  readonly cause: string;
}

export const GRID: readonly number[] = Array.from({ length: 13 }, (_, i) => 0.1 + i * 0.05);

/** Cluster of each core, by its key. */
export function clustered(cores: readonly Labelled[], threshold: number): Map<string, number> {
  const clusters = new Clusters({ threshold });
  return new Map(cores.map(({ features }) => [features.key, clusters.add(features).cluster]));
}

export const truthOf = (cores: readonly Labelled[]): Map<string, string> =>
  new Map(cores.map(({ features, cause }) => [features.key, cause]));

export const qualityAt = (cores: readonly Labelled[], threshold: number): Quality =>
  bCubed(truthOf(cores), clustered(cores, threshold));

/** The middle of the thresholds that do best: one at the edge of a plateau is right by luck. */
export function bestThreshold(cores: readonly Labelled[]): number {
  const scores = GRID.map((threshold) => qualityAt(cores, threshold).f);
  const best = Math.max(...scores);
  const good = GRID.filter((_, i) => (scores[i] as number) > best - 1e-9);
  return good[good.length >> 1] as number;
}

export interface LeftOut {
  readonly cause: string;
  readonly threshold: number;
  readonly quality: Quality;
}

/** Of each cause the threshold that the others choose, and how well its cores come out among all. */
export function leaveOneCauseOut(cores: readonly Labelled[]): readonly LeftOut[] {
  const truth = truthOf(cores);
  return [...new Set(truth.values())].map((cause) => {
    const threshold = bestThreshold(cores.filter((core) => core.cause !== cause));
    const only = new Set(cores.filter((core) => core.cause === cause).map(({ features }) => features.key));
    return { cause, threshold, quality: bCubed(truth, clustered(cores, threshold), only) };
  });
}

/** B-cubed over all cores, each judged by a threshold chosen without its cause. */
export function overall(cores: readonly Labelled[], results: readonly LeftOut[]): Quality {
  let [precision, recall, count] = [0, 0, 0];
  for (const { cause, quality } of results) {
    const n = cores.filter((core) => core.cause === cause).length;
    precision += quality.precision * n;
    recall += quality.recall * n;
    count += n;
  }
  const [p, r] = [precision / count, recall / count];
  return { precision: p, recall: r, f: (2 * p * r) / (p + r) };
}
