/**
 * How others group crashes, for comparison: names of functions only, the stack of the panic, an edit distance that knows
 * neither positions nor kinds, clusters by average linkage. As satyr (ABRT, FAF) does it: Damerau-Levenshtein, cut at 0.3.
 */

/** Frames that satyr leaves out (its list of 2024), beside what stands after the first dot of a name. */
const DROPPED = new Set([
  'do_softirq',
  'do_softirq_own_stack',
  'dump_stack',
  'irq_exit',
  'kthread',
  'process_one_work',
  'ret_from_fork',
  'smp_apic_timer_interrupt',
  'apic_timer_interrupt',
  'call_softirq',
  'warn_slowpath_common',
  'warn_slowpath_fmt',
  'warn_slowpath_fmt_taint',
  'warn_slowpath_null',
  'worker_thread',
]);

const normalise = (stack: readonly string[]): string[] =>
  stack
    .map((frame) => frame.replace(/(?<=.)\..*$/, '').replace(/ \[.*$/, ''))
    .filter((frame) => !DROPPED.has(frame));

/** Edits (insert, remove, replace, swap of neighbours) over the length of the longer. */
export function editDistance(a: readonly string[], b: readonly string[]): number {
  const longest = Math.max(a.length, b.length);
  if (longest === 0) return 0;
  let before: number[] = [];
  let last = Array.from({ length: b.length + 1 }, (_, j) => j);
  for (let i = 1; i <= a.length; i += 1) {
    const now = [i];
    for (let j = 1; j <= b.length; j += 1) {
      const same = a[i - 1] === b[j - 1];
      let cost = Math.min(
        (last[j] as number) + 1,
        (now[j - 1] as number) + 1,
        (last[j - 1] as number) + (same ? 0 : 1),
      );
      if (i > 1 && j > 1 && a[i - 1] === b[j - 2] && a[i - 2] === b[j - 1])
        cost = Math.min(cost, (before[j - 2] as number) + 1);
      now.push(cost);
    }
    before = last;
    last = now;
  }
  return (last[b.length] as number) / longest;
}

/** Average linkage over all pairs, cut at `cut`; key → number of its cluster. Cubic: for hundreds of cores. */
export function editDistanceClusters(
  stacks: ReadonlyMap<string, readonly string[]>,
  cut = 0.3,
): Map<string, number> {
  const keys = [...stacks.keys()];
  const frames = keys.map((key) => normalise(stacks.get(key) ?? []));
  const far = frames.map((a) => Float64Array.from(frames, (b) => editDistance(a, b)));
  const groups = new Map(keys.map((_, i) => [i, [i]]));
  for (;;) {
    const pair = closest(far, [...groups.keys()], cut);
    if (pair === undefined) break;
    unite(far, groups, pair);
  }
  return new Map([...groups].flatMap(([number, group]) => group.map((i) => [keys[i] as string, number])));
}

type Matrix = readonly Float64Array[];
const at = (far: Matrix, i: number, j: number): number => far[i]?.[j] ?? 1;

function closest(far: Matrix, alive: readonly number[], cut: number): readonly [number, number] | undefined {
  let best = cut;
  let pair: readonly [number, number] | undefined;
  for (const i of alive)
    for (const j of alive) {
      if (j >= i) break;
      const d = at(far, i, j);
      if (d < best || (d === best && pair === undefined)) [best, pair] = [d, [j, i]];
    }
  return pair;
}

function unite(far: Matrix, groups: Map<number, number[]>, [into, from]: readonly [number, number]): void {
  const [one, other] = [groups.get(into) ?? [], groups.get(from) ?? []];
  for (const id of groups.keys()) {
    const mean =
      (one.length * at(far, into, id) + other.length * at(far, from, id)) / (one.length + other.length);
    (far[into] as Float64Array)[id] = mean;
    (far[id] as Float64Array)[into] = mean;
  }
  groups.set(into, [...one, ...other]);
  groups.delete(from);
}

/** One cluster per exact stack. */
export function exactClusters(stacks: ReadonlyMap<string, readonly string[]>): Map<string, string> {
  return new Map([...stacks].map(([key, stack]) => [key, normalise(stack).join('\n')]));
}
