/**
 * Which bugs are kin: average linkage of clusters by their representatives, above the level at which cores are the same bug.
 * Only pairs that share a telling frame are compared; all others count as having nothing in common.
 */
import type { Clusters } from './clusters.ts';
import { distance, type Prepared } from './model.ts';

/** Mean distance up to which clusters are related. */
export const RELATED = 0.65;
/** Clusters that have a frame in common with so many others have it by chance. */
const MOST_SHARERS = 60;
/** Representatives of a cluster that are compared, the founder first. */
const MOST_COMPARED = 3;

/** Groups of related clusters, of two or more each, largest distance within at most `cut` on average. */
export function relatedGroups(clusters: Clusters, cut = RELATED): readonly (readonly number[])[] {
  const ids = clusters.ids();
  const far = pairDistances(clusters, ids);
  const groups = new Map<number, readonly number[]>(ids.map((id) => [id, [id]]));
  // Of each the one nearest to it: of all pairs only those of what has changed are looked at again.
  const nearest = new Map<number, Near>();
  for (const id of ids) remember(nearest, far, id);
  for (;;) {
    const found = closest(nearest, cut);
    if (found === undefined) break;
    const [a, b] = found;
    const touched = unite(far, groups, a, b);
    groups.set(
      a,
      [...(groups.get(a) ?? []), ...(groups.get(b) ?? [])].sort((x, y) => x - y),
    );
    groups.delete(b);
    nearest.delete(b);
    for (const id of [a, ...touched]) remember(nearest, far, id);
  }
  return [...groups.values()].filter((group) => group.length > 1);
}

interface Near {
  readonly other: number;
  readonly distance: number;
}

function remember(nearest: Map<number, Near>, far: Distances, id: number): void {
  let best: Near | undefined;
  for (const [other, distance] of far.get(id) ?? [])
    if (best === undefined || distance < best.distance || (distance === best.distance && other < best.other))
      best = { other, distance };
  if (best === undefined) nearest.delete(id);
  else nearest.set(id, best);
}

/** Cluster → cluster → mean distance; what is missing is 1. */
type Distances = Map<number, Map<number, number>>;

function pairDistances(clusters: Clusters, ids: readonly number[]): Distances {
  const sharers = new Map<number, number[]>();
  for (const id of ids)
    for (const frame of new Set(
      clusters.representativesOf(id).flatMap(({ frames }) => [...frames.subarray(0, 10)]),
    )) {
      const list = sharers.get(frame);
      if (list === undefined) sharers.set(frame, [id]);
      else list.push(id);
    }
  const far: Distances = new Map(ids.map((id) => [id, new Map()]));
  for (const list of sharers.values()) {
    if (list.length > MOST_SHARERS) continue;
    for (const a of list)
      for (const b of list) {
        if (a >= b || far.get(a)?.has(b) === true) continue;
        const mean = meanDistance(clusters, clusters.representativesOf(a), clusters.representativesOf(b));
        if (mean >= 1) continue;
        far.get(a)?.set(b, mean);
        far.get(b)?.set(a, mean);
      }
  }
  return far;
}

function meanDistance(clusters: Clusters, a: readonly Prepared[], b: readonly Prepared[]): number {
  let sum = 0;
  const [some, others] = [a.slice(0, MOST_COMPARED), b.slice(0, MOST_COMPARED)];
  for (const one of some) for (const other of others) sum += distance(clusters.words, one, other);
  return sum / (some.length * others.length);
}

function closest(nearest: ReadonlyMap<number, Near>, cut: number): readonly [number, number] | undefined {
  let best = cut;
  let found: readonly [number, number] | undefined;
  for (const [id, { other, distance: d }] of nearest)
    if (d < best || (d === best && found === undefined)) {
      best = d;
      found = id < other ? [id, other] : [other, id];
    }
  return found;
}

/** `b` becomes part of `a`: distances to others are means weighted by the clusters in each. Whose have changed. */
function unite(
  far: Distances,
  groups: ReadonlyMap<number, readonly number[]>,
  a: number,
  b: number,
): readonly number[] {
  const [one, other] = [far.get(a) ?? new Map<number, number>(), far.get(b) ?? new Map<number, number>()];
  const [m, n] = [groups.get(a)?.length ?? 1, groups.get(b)?.length ?? 1];
  const others = new Set([...one.keys(), ...other.keys()]);
  others.delete(a);
  others.delete(b);
  for (const id of others) {
    const mean = (m * (one.get(id) ?? 1) + n * (other.get(id) ?? 1)) / (m + n);
    one.set(id, mean);
    far.get(id)?.set(a, mean);
    far.get(id)?.delete(b);
  }
  one.delete(b);
  far.set(a, one);
  far.delete(b);
  return [...others];
}
