/** The kernel's lists and trees. Each walk ends: at its end, at damage, in a cycle, or after so many. */
import type { Addr } from '../core.ts';
import type { Mem } from './mem.ts';
import type { Types } from './types.ts';

/** `missing`: it leads to memory that is not in the file. */
export type WalkEnd = 'complete' | 'damaged' | 'missing' | 'cut';

export interface Walk {
  readonly nodes: readonly Addr[];
  readonly end: WalkEnd;
}

export const MOST_NODES = 1_000_000;
/** Kernel pointers are in the upper half. */
const LOWEST = 0x8000000000000000n;

/** Nodes of a circular list (list_head: next, prev), the head left out. A node whose prev leads elsewhere is damage. */
export function walkList(mem: Mem, head: Addr, most = MOST_NODES): Walk {
  const nodes: Addr[] = [];
  let before = head;
  let at = mem.u64(head);
  while (at !== head) {
    if (at === undefined) return { nodes, end: 'missing' };
    if (at < LOWEST) return { nodes, end: 'damaged' };
    if (nodes.length >= most) return { nodes, end: 'cut' };
    const links = mem.view(at, 16);
    if (links === undefined) return { nodes, end: 'missing' };
    if (links.readBigUInt64LE(8) !== before) return { nodes, end: 'damaged' };
    nodes.push(at);
    before = at;
    at = links.readBigUInt64LE(0);
  }
  return { nodes, end: 'complete' };
}

/** Nodes of an hlist (first; then next, pprev), or of an nulls list. */
export function walkHlist(mem: Mem, head: Addr, most = MOST_NODES): Walk {
  const nodes: Addr[] = [];
  let at = mem.u64(head);
  const seen = new Set<Addr>();
  while (at !== 0n) {
    if (at === undefined || at < LOWEST || (at & 1n) === 1n) {
      return { nodes, end: at !== undefined && (at & 1n) === 1n ? 'complete' : 'damaged' };
    }
    if (nodes.length >= most) return { nodes, end: 'cut' };
    if (seen.has(at)) return { nodes, end: 'damaged' };
    seen.add(at);
    nodes.push(at);
    at = mem.u64(at);
  }
  return { nodes, end: 'complete' };
}

/** No balanced tree is deeper. */
const DEEPEST_TREE = 128;

/** Nodes of a red-black tree in their order; rb_node is (parent and colour, right, left). */
export function walkTree(mem: Mem, root: Addr, most = MOST_NODES): Walk {
  const nodes: Addr[] = [];
  const above: Addr[] = [];
  const seen = new Set<Addr>();
  let at = mem.u64(root);
  for (;;) {
    while (at !== 0n) {
      if (at === undefined) return { nodes, end: 'missing' };
      if (at < LOWEST || above.length > DEEPEST_TREE || seen.has(at)) return { nodes, end: 'damaged' };
      seen.add(at);
      above.push(at);
      at = mem.u64(at + 16n);
    }
    const node = above.pop();
    if (node === undefined) return { nodes, end: 'complete' };
    if (nodes.length >= most) return { nodes, end: 'cut' };
    nodes.push(node);
    at = mem.u64(node + 8n);
  }
}

/** Index and entry of an xarray (idr, radix tree): slots of 64, depth from the shift of each node. */
export function walkXarray(
  mem: Mem,
  types: Types,
  root: Addr,
  most = MOST_NODES,
): readonly (readonly [number, Addr])[] {
  const head = types.offset('xarray', 'xa_head');
  const slots = types.member('xa_node', 'slots');
  const shiftAt = types.offset('xa_node', 'shift');
  const first = head === undefined ? undefined : mem.u64(root + BigInt(head));
  if (first === undefined || slots === undefined || shiftAt === undefined) return [];
  const found: (readonly [number, Addr])[] = [];
  const seen = new Set<Addr>();
  const visit = (entry: Addr, index: number, depth: number): void => {
    if (found.length >= most || entry === 0n) return;
    // Low bits 10: a node, or a mark of the array itself when small; others are entries.
    if ((entry & 3n) !== 2n || entry < 4096n) {
      if ((entry & 3n) !== 2n) found.push([index, entry]);
      return;
    }
    const node = entry - 2n;
    if (seen.has(node)) return;
    seen.add(node);
    const shift = mem.u8(node + BigInt(shiftAt));
    if (shift === undefined || shift > 60 || depth > 10) return;
    const bytes = mem.view(node + BigInt(slots.offset), slots.count * 8);
    if (bytes === undefined) return;
    for (let slot = 0; slot < slots.count; slot++)
      visit(bytes.readBigUInt64LE(slot * 8), index + slot * 2 ** shift, depth + 1);
  };
  visit(first, 0, 0);
  return found;
}
