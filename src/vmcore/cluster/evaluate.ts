/** How good a clustering is, against what is known to be true. */

export interface Quality {
  readonly precision: number;
  readonly recall: number;
  readonly f: number;
}

/** Both maps have the same keys: core → its true cause, core → its cluster. */
type Labels = ReadonlyMap<string, string | number>;

/**
 * B-cubed (Bagga and Baldwin 1998): for each core, the share of its cluster that has its cause (precision) and the share of
 * its cause that is in its cluster (recall), averaged over the cores, or over those in `only`.
 */
export function bCubed(truth: Labels, found: Labels, only?: ReadonlySet<string>): Quality {
  const cells = count(truth, found);
  let [precision, recall, cores] = [0, 0, 0];
  for (const [key, cause] of truth) {
    if (only !== undefined && !only.has(key)) continue;
    const cluster = found.get(key) as string | number;
    const both = cells.both.get(cellOf(cause, cluster)) ?? 0;
    precision += both / (cells.clusters.get(cluster) ?? 1);
    recall += both / (cells.causes.get(cause) ?? 1);
    cores += 1;
  }
  return quality(cores === 0 ? 1 : precision / cores, cores === 0 ? 1 : recall / cores);
}

/** Of all pairs of cores: those put together that belong together, out of those put together, and out of those that belong. */
export function pairwise(truth: Labels, found: Labels): Quality {
  const cells = count(truth, found);
  const [both, clusters, causes] = [cells.both, cells.clusters, cells.causes].map((counts) =>
    [...counts.values()].reduce((sum, n) => sum + (n * (n - 1)) / 2, 0),
  ) as [number, number, number];
  return quality(clusters === 0 ? 1 : both / clusters, causes === 0 ? 1 : both / causes);
}

const quality = (precision: number, recall: number): Quality => ({
  precision,
  recall,
  f: precision + recall === 0 ? 0 : (2 * precision * recall) / (precision + recall),
});

const cellOf = (cause: string | number, cluster: string | number): string => `${cause}\n${cluster}`;

function count(truth: Labels, found: Labels) {
  const causes = new Map<string | number, number>();
  const clusters = new Map<string | number, number>();
  const both = new Map<string, number>();
  for (const [key, cause] of truth) {
    const cluster = found.get(key);
    if (cluster === undefined) throw new Error(`${key} is in no cluster`);
    causes.set(cause, (causes.get(cause) ?? 0) + 1);
    clusters.set(cluster, (clusters.get(cluster) ?? 0) + 1);
    both.set(cellOf(cause, cluster), (both.get(cellOf(cause, cluster)) ?? 0) + 1);
  }
  return { causes, clusters, both };
}
