/**
 * What the user decided about cores: these two belong together, those two do not. Outlives any clustering: a decision is
 * about cores, by their keys, never about the number a cluster happens to have.
 */

export type Pair = readonly [string, string];

/** As stored: see store.ts. */
export interface PinsData {
  readonly together: readonly Pair[];
  readonly apart: readonly Pair[];
}

type Graph = Map<string, Set<string>>;

export class Pins {
  readonly #together: Graph = new Map();
  readonly #apart: Graph = new Map();

  constructor(data: PinsData = { together: [], apart: [] }) {
    for (const [a, b] of data.together) link(this.#together, a, b);
    for (const [a, b] of data.apart) link(this.#apart, a, b);
  }

  /** All cores that decisions tie to this one, directly or through others; without itself. */
  tied(key: string): ReadonlySet<string> {
    const found = new Set<string>();
    const open = [key];
    for (let at = open.pop(); at !== undefined; at = open.pop())
      for (const next of this.#together.get(at) ?? [])
        if (next !== key && !found.has(next)) {
          found.add(next);
          open.push(next);
        }
    return found;
  }

  /** Cores that may not be in the cluster of this one: kept apart from it, or from one tied to it. */
  barred(key: string): ReadonlySet<string> {
    const found = new Set<string>();
    for (const one of [key, ...this.tied(key)])
      for (const other of this.#apart.get(one) ?? []) found.add(other);
    return found;
  }

  /** `one` and `other` are the same bug. What said otherwise between the members of the two sides is forgotten. */
  join(one: string, other: string, members: readonly string[]): void {
    const all = new Set(members);
    for (const key of all)
      for (const barred of [...(this.#apart.get(key) ?? [])])
        if (all.has(barred)) unlink(this.#apart, key, barred);
    link(this.#together, one, other);
  }

  /** `moved` are one bug and not that of `rest`. Ties between the two sides are forgotten. Leaders first. */
  part(moved: readonly string[], rest: readonly string[]): void {
    const [leader, stay] = [moved[0], rest[0]];
    if (leader === undefined || stay === undefined) return;
    const others = new Set(rest);
    for (const key of moved)
      for (const tied of [...(this.#together.get(key) ?? [])])
        if (others.has(tied)) unlink(this.#together, key, tied);
    for (const key of moved.slice(1)) link(this.#together, leader, key);
    link(this.#apart, leader, stay);
  }

  get empty(): boolean {
    return this.#together.size === 0 && this.#apart.size === 0;
  }

  toJSON(): PinsData {
    return { together: pairs(this.#together), apart: pairs(this.#apart) };
  }
}

function link(graph: Graph, a: string, b: string): void {
  if (a === b) return;
  for (const [from, to] of [
    [a, b],
    [b, a],
  ] as const) {
    const known = graph.get(from);
    if (known === undefined) graph.set(from, new Set([to]));
    else known.add(to);
  }
}

function unlink(graph: Graph, a: string, b: string): void {
  graph.get(a)?.delete(b);
  graph.get(b)?.delete(a);
}

const pairs = (graph: Graph): Pair[] =>
  [...graph].flatMap(([a, others]) => [...others].flatMap((b) => (a < b ? [[a, b] as const] : [])));
