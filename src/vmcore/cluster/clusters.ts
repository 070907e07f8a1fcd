/**
 * Clusters that grow core by core: each new core joins the nearest cluster that is near enough, or founds one. Candidates
 * come from an index of the rarest telling frames, so that the time for one core hardly depends on how many there are.
 */
import type { Features } from './features.ts';
import { DEPTH, distance, type Prepared, Vocabulary } from './model.ts';
import { Pins } from './pins.ts';

export interface ClusterSettings {
  /** Distance up to which two cores are the same bug. Chosen on real cores, leaving one cause out: test/vmcore. */
  readonly threshold: number;
  /** Clusters compared with a new core, at most. */
  readonly candidates: number;
  /** Members that stand for a cluster in comparisons, at most. */
  readonly representatives: number;
  /** A member stands for its cluster too when it is this far from all that do. */
  readonly spread: number;
}

export const SETTINGS: ClusterSettings = { threshold: 0.45, candidates: 40, representatives: 5, spread: 0.1 };

/** Frames of a core that are looked up, the heaviest. */
const LOOKED_UP = 10;
/** Entries of the index read for one core, at most: what is this common says nothing anyway. */
const MOST_ENTRIES = 4000;

/** Why a core is where it is. */
export type Reason = 'founder' | 'exact' | 'near' | 'decided';

export interface Placement {
  readonly cluster: number;
  readonly reason: Reason;
  /** The core it was found to be near to, and how near; absent for founders. */
  readonly nearest?: string;
  readonly distance: number;
}

export interface Member extends Placement {
  readonly core: Prepared;
}

interface Cluster {
  readonly id: number;
  /** In the order of joining. */
  readonly members: string[];
  /** The founder first. */
  readonly representatives: Prepared[];
}

export class Clusters {
  readonly settings: ClusterSettings;
  readonly pins: Pins;
  readonly #words = new Vocabulary();
  readonly #members = new Map<string, Member>();
  readonly #clusters = new Map<number, Cluster>();
  /** Clusters of each exact text. */
  readonly #exact = new Map<string, number[]>();
  /** Clusters that have a frame in one of their representatives. */
  readonly #index = new Map<number, number[]>();
  #next = 1;

  constructor(settings: Partial<ClusterSettings> = {}, pins: Pins = new Pins()) {
    this.settings = { ...SETTINGS, ...settings };
    this.pins = pins;
  }

  get size(): number {
    return this.#members.size;
  }

  get words(): Vocabulary {
    return this.#words;
  }

  has(key: string): boolean {
    return this.#members.has(key);
  }

  member(key: string): Member | undefined {
    return this.#members.get(key);
  }

  /** Numbers of the clusters, in the order they were founded. */
  ids(): number[] {
    return [...this.#clusters.keys()];
  }

  /** Keys of the members; the founder first. */
  membersOf(id: number): readonly string[] {
    return this.#clusters.get(id)?.members ?? [];
  }

  /** Those that stand for the cluster; the founder first. */
  representativesOf(id: number): readonly Prepared[] {
    return this.#clusters.get(id)?.representatives ?? [];
  }

  /** Places a core. One that is there already stays where it is. */
  add(features: Features): Placement {
    const known = this.#members.get(features.key);
    if (known !== undefined) return known;
    const core = this.#words.prepare(features);
    const placement = this.#place(core);
    this.#put(core, placement);
    return placement;
  }

  /** Puts a core where an earlier run has put it. */
  restore(features: Features, placement: Placement): void {
    if (this.#members.has(features.key)) return;
    this.#put(this.#words.prepare(features), placement);
    this.#next = Math.max(this.#next, placement.cluster + 1);
  }

  /** The number that the next cluster gets: never one that was in use. */
  get next(): number {
    return this.#next;
  }
  set next(value: number) {
    this.#next = Math.max(this.#next, value);
  }

  /** The cores nearest to this one (which need not be a member), nearest first, one cluster's members together. */
  similar(features: Features, most = 20): { readonly key: string; readonly distance: number }[] {
    const core = this.#words.prepare(features);
    const clusters = new Set(this.#candidates(core));
    for (const id of this.#exact.get(core.exact) ?? []) clusters.add(id);
    const found: { key: string; distance: number }[] = [];
    for (const id of clusters)
      for (const key of this.membersOf(id)) {
        const other = this.#members.get(key)?.core;
        if (other === undefined || key === features.key) continue;
        const far = distance(this.#words, core, other);
        if (far < 1) found.push({ key, distance: far });
      }
    return found.sort((a, b) => a.distance - b.distance || (a.key < b.key ? -1 : 1)).slice(0, most);
  }

  /** Distance between two members; NaN when one is not there. */
  distance(a: string, b: string): number {
    const [one, two] = [this.#members.get(a), this.#members.get(b)];
    return one === undefined || two === undefined ? Number.NaN : distance(this.#words, one.core, two.core);
  }

  /** The user says that two clusters are one bug: the second becomes part of the first. False when there is nothing to join. */
  merge(first: number, second: number): boolean {
    const [into, from] = [this.#clusters.get(first), this.#clusters.get(second)];
    if (into === undefined || from === undefined || into === from) return false;
    this.pins.join(into.members[0] as string, from.members[0] as string, [...into.members, ...from.members]);
    this.#move(from.members, into.id);
    return true;
  }

  /** The user says that these cores, of one cluster, are another bug than its rest. The number of their new cluster. */
  split(keys: readonly string[]): number | undefined {
    const id = this.#members.get(keys[0] ?? '')?.cluster;
    const cluster = id === undefined ? undefined : this.#clusters.get(id);
    if (cluster === undefined) return undefined;
    const chosen = new Set(keys);
    const moved = cluster.members.filter((key) => chosen.has(key));
    const rest = cluster.members.filter((key) => !chosen.has(key));
    if (moved.length !== chosen.size || rest.length === 0) return undefined;
    this.pins.part(moved, rest);
    const fresh = this.#next;
    this.#next += 1;
    this.#move(moved, fresh);
    return fresh;
  }

  #place(core: Prepared): Placement {
    const { key } = core.features;
    const tied = this.#firstOf(this.pins.tied(key));
    const barred = new Set(
      [...this.pins.barred(key)].flatMap((other) => this.#members.get(other)?.cluster ?? []),
    );
    if (tied !== undefined && !barred.has(tied.cluster))
      return {
        cluster: tied.cluster,
        reason: 'decided',
        nearest: tied.core.features.key,
        distance: Number.NaN,
      };
    const exact = this.#exact.get(core.exact)?.find((id) => !barred.has(id));
    if (exact !== undefined) {
      const nearest = this.membersOf(exact).find(
        (other) => this.#members.get(other)?.core.exact === core.exact,
      );
      return { cluster: exact, reason: 'exact', ...(nearest === undefined ? {} : { nearest }), distance: 0 };
    }
    const near = this.#nearest(core, barred);
    if (near !== undefined) return near;
    const cluster = this.#next;
    this.#next += 1;
    return { cluster, reason: 'founder', distance: 0 };
  }

  #firstOf(keys: Iterable<string>): Member | undefined {
    for (const key of keys) {
      const member = this.#members.get(key);
      if (member !== undefined) return member;
    }
    return undefined;
  }

  #nearest(core: Prepared, barred: ReadonlySet<number>): Placement | undefined {
    let best = this.settings.threshold;
    let found: Placement | undefined;
    for (const id of this.#candidates(core)) {
      if (barred.has(id)) continue;
      for (const other of this.representativesOf(id)) {
        const far = distance(this.#words, core, other, best);
        if (far < best || (far === best && found === undefined)) {
          best = far;
          found = { cluster: id, reason: 'near', nearest: other.features.key, distance: far };
        }
      }
    }
    return found;
  }

  /** Clusters worth comparing, the most promising first. */
  #candidates(core: Prepared): number[] {
    const heavy = this.#heaviest(core);
    const scores = new Map<number, number>();
    let read = 0;
    for (const { id, weight } of heavy) {
      const entries = this.#index.get(id) ?? [];
      if (read > 0 && read + entries.length > MOST_ENTRIES) continue;
      read += entries.length;
      for (const cluster of entries) scores.set(cluster, (scores.get(cluster) ?? 0) + weight);
    }
    const order = [...scores].sort((a, b) => b[1] - a[1] || a[0] - b[0]);
    return order.slice(0, this.settings.candidates).map(([id]) => id);
  }

  /** The heaviest frames of a core, those of the fewest clusters first. */
  #heaviest({ frames, places }: Prepared): { id: number; weight: number }[] {
    const weighed = new Map<number, number>();
    frames.forEach((id, i) => {
      const weight = (places[i] as number) * this.#words.weightOf(id);
      weighed.set(id, Math.max(weight, weighed.get(id) ?? 0));
    });
    return [...weighed]
      .map(([id, weight]) => ({ id, weight }))
      .sort((a, b) => b.weight - a.weight)
      .slice(0, LOOKED_UP)
      .sort((a, b) => this.#entries(a.id) - this.#entries(b.id));
  }

  #entries(id: number): number {
    return this.#index.get(id)?.length ?? 0;
  }

  #put(core: Prepared, placement: Placement): void {
    this.#members.set(core.features.key, { ...placement, core });
    const cluster = this.#clusters.get(placement.cluster) ?? {
      id: placement.cluster,
      members: [],
      representatives: [],
    };
    this.#clusters.set(cluster.id, cluster);
    cluster.members.push(core.features.key);
    this.#represent(cluster, core);
    const exact = this.#exact.get(core.exact);
    if (exact === undefined) {
      this.#exact.set(core.exact, [cluster.id]);
      this.#words.learn(core);
    } else if (!exact.includes(cluster.id)) exact.push(cluster.id);
  }

  #represent(cluster: Cluster, core: Prepared): void {
    const { representatives } = cluster;
    if (representatives.length >= this.settings.representatives) return;
    if (
      representatives.some(
        (other) => distance(this.#words, core, other, this.settings.spread) <= this.settings.spread,
      )
    )
      return;
    representatives.push(core);
    for (const id of new Set(core.frames.subarray(0, DEPTH))) {
      const entries = this.#index.get(id);
      if (entries === undefined) this.#index.set(id, [cluster.id]);
      else if (!entries.includes(cluster.id)) entries.push(cluster.id);
    }
  }

  /** Members of one cluster to another, which may be new. What stays is put together anew. */
  #move(keys: readonly string[], to: number): void {
    const moved = [...keys];
    const from = this.#members.get(moved[0] ?? '')?.cluster;
    const cluster = from === undefined ? undefined : this.#clusters.get(from);
    if (cluster === undefined) return;
    const going = new Set(moved);
    const staying = cluster.members.filter((key) => !going.has(key));
    this.#forget(cluster);
    for (const key of staying) this.#rejoin(key, cluster.id);
    for (const key of moved) this.#rejoin(key, to, 'decided');
  }

  #rejoin(key: string, cluster: number, reason?: Reason): void {
    const member = this.#members.get(key);
    if (member === undefined) return;
    const { core, ...placement } = member;
    this.#put(core, { ...placement, cluster, reason: reason ?? placement.reason });
  }

  #forget(cluster: Cluster): void {
    this.#clusters.delete(cluster.id);
    const ids = new Set(cluster.representatives.flatMap(({ frames }) => [...frames]));
    for (const id of ids) {
      const left = (this.#index.get(id) ?? []).filter((other) => other !== cluster.id);
      if (left.length > 0) this.#index.set(id, left);
      else this.#index.delete(id);
    }
    for (const key of cluster.members) {
      const exact = this.#members.get(key)?.core.exact ?? '';
      const left = (this.#exact.get(exact) ?? []).filter((other) => other !== cluster.id);
      // An empty list stays: the stack has been counted.
      this.#exact.set(exact, left);
    }
  }
}
