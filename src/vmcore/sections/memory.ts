/** Sections on memory: totals and zones, and the slab caches. */
import type { Struct } from '../core.ts';
import { hex } from '../kernel/unwind.ts';
import type { Scene } from './scene.ts';
import type { Made, Row } from './table.ts';

const PAGE = 4096;
const MOST_NODES = 64;
const MOST_ZONES = 8;
/** Slabs counted on a node's list of partly used ones, as /proc/slabinfo does; beyond it the share is taken. */
const MOST_PARTIAL = 10_000;
const SLAB_RECLAIM_ACCOUNT = 0x20000;
const WATERMARKS = ['min', 'low', 'high'] as const;

/** A vmstat array with the enum that numbers it, pages by name. */
function counters(scene: Scene, symbol: string, type: string): (name: string) => number {
  const { kernel } = scene;
  const base = kernel.sym(symbol);
  const names = kernel.enumeration(type);
  return (name) => {
    const index = names?.get(name);
    const word = base === undefined || index === undefined ? undefined : kernel.u64(base + BigInt(index * 8));
    return word === undefined ? Number.NaN : Math.max(0, Number(BigInt.asIntN(64, word)));
  };
}

/** What CPUs have counted and not yet added: one signed byte per counter. */
function pending(
  scene: Scene,
  struct: Struct,
  path: string,
  type: string,
  names: string,
  name: string,
): number {
  const { kernel } = scene;
  const base = struct.ptr(path);
  const at = kernel.member(type, 'vm_node_stat_diff') ?? kernel.member(type, 'vm_stat_diff');
  const index = kernel.enumeration(names)?.get(name);
  if (base === undefined || base === 0n || at === undefined || index === undefined) return 0;
  let sum = 0;
  for (const cpu of kernel.cpus) {
    const place = kernel.percpu(base, cpu);
    const byte = place === undefined ? undefined : kernel.u8(place + BigInt(at.offset + index));
    if (byte !== undefined) sum += byte > 127 ? byte - 256 : byte;
  }
  return sum;
}

function nodes(scene: Scene): { node: number; data: Struct }[] {
  const { kernel } = scene;
  const table = kernel.sym('node_data');
  if (table === undefined) {
    const only = kernel.sym('contig_page_data');
    return only === undefined ? [] : [{ node: 0, data: kernel.struct('pglist_data', only) }];
  }
  return Array.from({ length: MOST_NODES }, (_, node) => node).flatMap((node) => {
    const address = kernel.u64(table + BigInt(node * 8));
    return address === undefined || address === 0n
      ? []
      : [{ node, data: kernel.struct('pglist_data', address) }];
  });
}

function zonesOf(scene: Scene): { node: number; zone: Struct }[] {
  const { kernel } = scene;
  const member = kernel.member('pglist_data', 'node_zones');
  if (member === undefined) return [];
  return nodes(scene).flatMap(({ node, data }) =>
    Array.from({ length: Math.min(member.count, MOST_ZONES) }, (_, index) => ({
      node,
      zone: kernel.struct('zone', data.addr + BigInt(member.offset + index * member.element)),
    })),
  );
}

/** All that the page allocator has, bytes. */
export function totalMemory({ kernel }: Scene): number {
  const address = kernel.sym('_totalram_pages') ?? kernel.sym('totalram_pages');
  const pages = address === undefined ? undefined : kernel.u64(address);
  return pages === undefined ? Number.NaN : Number(pages) * PAGE;
}

export interface MemoryUse {
  readonly total: number;
  readonly free: number;
  readonly anon: number;
  readonly file: number;
  readonly shmem: number;
  readonly slab_reclaimable: number;
  readonly slab_unreclaimable: number;
}

const NODE_ROWS: readonly (readonly [string, string])[] = [
  ['AnonPages', 'NR_ANON_MAPPED'],
  ['Cached', 'NR_FILE_PAGES'],
  ['Mapped', 'NR_FILE_MAPPED'],
  ['Shmem', 'NR_SHMEM'],
  ['Dirty', 'NR_FILE_DIRTY'],
  ['Writeback', 'NR_WRITEBACK'],
  ['Unevictable', 'NR_UNEVICTABLE'],
  ['PageTables', 'NR_PAGETABLE'],
  ['SwapCached', 'NR_SWAPCACHE'],
];

export function memoryUse(scene: Scene): MemoryUse {
  const node = counters(scene, 'vm_node_stat', 'node_stat_item');
  // These two are counted in bytes where their name says so.
  const slab = (kind: 'RECLAIMABLE' | 'UNRECLAIMABLE'): number => {
    const pages = node(`NR_SLAB_${kind}_B`);
    return Number.isNaN(pages) ? node(`NR_SLAB_${kind}`) * PAGE : pages * PAGE;
  };
  return {
    total: totalMemory(scene),
    free: zonesOf(scene).reduce((sum, { zone }) => sum + freePages(scene, zone), 0) * PAGE,
    anon: node('NR_ANON_MAPPED') * PAGE,
    file: node('NR_FILE_PAGES') * PAGE,
    shmem: node('NR_SHMEM') * PAGE,
    slab_reclaimable: slab('RECLAIMABLE'),
    slab_unreclaimable: slab('UNRECLAIMABLE'),
  };
}

function freePages(scene: Scene, zone: Struct): number {
  const index = scene.kernel.enumeration('zone_stat_item')?.get('NR_FREE_PAGES') ?? 0;
  const pages = zone.num(`vm_stat[${index}].counter`);
  if (Number.isNaN(pages)) return 0;
  const names = ['per_cpu_zonestats', 'per_cpu_zonestat', 'zone_stat_item', 'NR_FREE_PAGES'] as const;
  return Math.max(0, pages + pending(scene, zone, ...names));
}

export function memory(scene: Scene): Made {
  const { kernel } = scene;
  const node = counters(scene, 'vm_node_stat', 'node_stat_item');
  const use = memoryUse(scene);
  const row = (what: string, bytes: number): Row => ({ what, bytes, share_pct: (100 * bytes) / use.total });
  const words = (symbol: string): number => {
    const address = kernel.sym(symbol);
    const value = address === undefined ? undefined : kernel.u64(address);
    return value === undefined ? Number.NaN : Number(BigInt.asIntN(64, value));
  };
  const rows: Row[] = [
    row('MemTotal', use.total),
    row('MemFree', use.free),
    ...NODE_ROWS.map(([what, name]) => row(what, node(name) * PAGE)),
    row('SReclaimable', use.slab_reclaimable),
    row('SUnreclaim', use.slab_unreclaimable),
    row('KernelStack', node('NR_KERNEL_STACK_KB') * 1024),
    row('Vmalloc', words('nr_vmalloc_pages') * PAGE),
    { what: 'SwapTotal', bytes: words('total_swap_pages') * PAGE },
    { what: 'SwapFree', bytes: words('nr_swap_pages') * PAGE },
  ];
  const zoneRows = zonesOf(scene).flatMap(({ node: number, zone }): Row[] => {
    const managed = zone.has('managed_pages.counter')
      ? zone.num('managed_pages.counter')
      : zone.num('managed_pages');
    const present = zone.num('present_pages');
    if (!(present > 0)) return [];
    const free = freePages(scene, zone);
    const marks = WATERMARKS.map((_, index) => zone.num(`_watermark[${index}]`));
    const [min = Number.NaN, low = Number.NaN] = marks;
    return [
      {
        node: number,
        zone: zone.text('name'),
        free: free * PAGE,
        ...Object.fromEntries(WATERMARKS.map((name, index) => [name, (marks[index] ?? Number.NaN) * PAGE])),
        boost: zone.num('watermark_boost') * PAGE,
        managed: managed * PAGE,
        present: present * PAGE,
        state: managed === 0 ? '' : free < min ? 'below min' : free < low ? 'below low' : '',
      },
    ];
  });
  return { tables: { memory: rows.filter(({ bytes }) => !Number.isNaN(bytes)), zones: zoneRows } };
}

export interface SlabCache {
  readonly name: string;
  readonly bytes: number;
  readonly active: number;
  readonly total: number;
  readonly object_size: number;
  readonly size: number;
  readonly slabs: number;
  readonly order: number;
  readonly reclaimable: boolean;
  readonly address: bigint;
}

export function slabCaches(scene: Scene): SlabCache[] {
  const { kernel } = scene;
  const head = kernel.sym('slab_caches');
  if (head === undefined || kernel.member('kmem_cache_node', 'nr_slabs') === undefined) return [];
  const nodeCount = Math.max(1, nodes(scene).length);
  const caches: SlabCache[] = [];
  for (const cache of kernel.list(head, 'kmem_cache', 'list', 100_000)) {
    const order = Math.floor(cache.num('oo.x') / 65_536);
    let [slabs, total, free] = [0, 0, 0];
    for (let index = 0; index < nodeCount; index++) {
      const node = cache.deref(`node[${index}]`, 'kmem_cache_node');
      if (node === undefined) continue;
      slabs += node.num('nr_slabs.counter');
      total += node.num('total_objects.counter');
      free += freeObjects(scene, node);
    }
    if (!(order >= 0 && order < 16)) continue;
    caches.push({
      name: cache.text('name'),
      bytes: slabs * PAGE * 2 ** order,
      active: Math.max(0, total - free),
      total,
      object_size: cache.num('object_size'),
      size: cache.num('size'),
      slabs,
      order,
      reclaimable: Math.floor(cache.num('flags') / SLAB_RECLAIM_ACCOUNT) % 2 === 1,
      address: cache.addr,
    });
  }
  return caches.sort((a, b) => b.bytes - a.bytes);
}

function freeObjects(scene: Scene, node: Struct): number {
  const head = node.addressOf('partial');
  const partial = node.num('nr_partial');
  if (head === undefined || !(partial > 0)) return 0;
  let [seen, free] = [0, 0];
  for (const slab of scene.kernel.list(head, 'slab', 'slab_list', MOST_PARTIAL)) {
    seen += 1;
    free += Math.max(0, slab.num('objects') - slab.num('inuse')) || 0;
  }
  return seen > 0 && partial > seen ? Math.round((free * partial) / seen) : free;
}

export function slab(scene: Scene): Made {
  const total = totalMemory(scene);
  const caches = slabCaches(scene);
  // Those without a slab are many and say nothing.
  const rows = caches
    .filter(({ slabs }) => slabs > 0)
    .map(
      (cache): Row => ({
        cache: cache.name,
        bytes: cache.bytes,
        share_pct: (100 * cache.bytes) / total,
        active: cache.active,
        total: cache.total,
        object_size: cache.object_size,
        size: cache.size,
        slabs: cache.slabs,
        order: cache.order,
        reclaimable: cache.reclaimable ? 'yes' : '',
        address: hex(cache.address),
      }),
    );
  const warnings =
    caches.length === 0
      ? ['this kernel does not count its slabs (CONFIG_SLUB_DEBUG), or the list is damaged']
      : [];
  return { tables: { slab: rows }, warnings };
}

/** What of the slab allocator an address is in: the name of its cache, and how far into an object. */
export function slabObject(scene: Scene, address: bigint): { cache: string; offset: number } | undefined {
  const { kernel } = scene;
  const base = kernel.sym('vmemmap_base');
  const pages = base === undefined ? undefined : kernel.u64(base);
  const frame = kernel.mem.virtualToPhysical(address);
  const size = kernel.sizeOf('page');
  const head = kernel.sym('slab_caches');
  if (pages === undefined || frame === undefined || size === undefined || head === undefined)
    return undefined;
  const pageOf = (pfn: number) => pages + BigInt(pfn * size);
  let pfn = Math.floor(frame / PAGE);
  // A page that is not the first of its slab leads to it.
  const above = kernel.struct('page', pageOf(pfn)).big('compound_head');
  if (above !== undefined && (above & 1n) === 1n) pfn = Number((above - 1n - pages) / BigInt(size));
  const cache = kernel.struct('slab', pageOf(pfn)).ptr('slab_cache');
  if (cache === undefined || cache === 0n) return undefined;
  const known = [...kernel.list(head, 'kmem_cache', 'list', 100_000)].find(({ addr }) => addr === cache);
  const bytes = known?.num('size') ?? 0;
  const start = address - BigInt(frame - pfn * PAGE);
  if (known === undefined || !(bytes > 0) || address < start) return undefined;
  return { cache: known.text('name'), offset: Number(address - start) % bytes };
}
