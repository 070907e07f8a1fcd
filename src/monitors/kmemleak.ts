import type { Clause, EventSpec, Monitor, ObjectChoice, Plan } from './monitor.ts';

const ALLOC: readonly EventSpec[] = [
  { id: 'kmalloc', names: ['kmem:kmalloc'] },
  { id: 'cache_alloc', names: ['kmem:kmem_cache_alloc'] },
  // Merged into the two above in 6.1: their absence says nothing.
  { id: 'kmalloc_node', names: ['kmem:kmalloc_node'], optional: '' },
  { id: 'cache_alloc_node', names: ['kmem:kmem_cache_alloc_node'], optional: '' },
];
const FREE: readonly EventSpec[] = [
  { id: 'kfree', names: ['kmem:kfree'] },
  { id: 'cache_free', names: ['kmem:kmem_cache_free'] },
];

/**
 * kfree_rcu() frees without an event of its own. Before 6.2 its second argument was where in the object the head lies, else
 * it is the object.
 */
const RCU: EventSpec = {
  id: 'kvfree_call_rcu',
  names: [],
  probe: { kind: 'kprobe', definition: 'kvfree_call_rcu head=$arg1 object=$arg2' },
  optional: '',
};
const RCU_OBJECT = 'object >= 0 && object < 4096 ? head - object : object';

/** Bytes of an object: what was given for it, else what was asked for; of pages their number is known as a power of two. */
const SIZE = 'first(maybe(bytes_alloc), maybe(size), given(order) ? 4096 << maybe(order) : 0)';
/** Who asked: named by the event, or of a probe on a function's return the place it returns to. */
const SITE = 'first(maybe(call_site), maybe(__probe_ret_ip))';

interface Part {
  readonly event: EventSpec;
  /** Absent: found by the format. */
  readonly ptr?: string;
  readonly size?: string;
}

/** The events chosen, else those of the slab. */
function partsOf(
  choices: readonly ObjectChoice[] | undefined,
  slab: readonly EventSpec[],
  id: string,
): Part[] {
  if (choices === undefined || choices.length === 0) return slab.map((event) => ({ event, ptr: 'ptr' }));
  return choices.map(({ name, filter, ptr, size }, i) => ({
    event: { id: `${id}${i}`, names: [name], filter },
    ptr,
    size,
  }));
}

/** Of the addresses of the slab a share that is spread over all pages; the same for allocation and free. */
const SAMPLED = 1 / 8;
const SAMPLE = '!(ptr & 0x7000)';

/** The pointer only where it has been said which it is. */
const pointer = (ptr: string | undefined): Record<string, string> => (ptr === undefined ? {} : { ptr });

export const kmemleak: Monitor = {
  name: 'kmemleak',
  title: 'KMemLeak',
  summary: 'Kernel memory allocated and not freed since the tab was opened, by who asked for it',
  options: ['alloc', 'free', 'age', 'call-graph', 'mmap-pages'],
  plan: (options): Plan => {
    const alloc = partsOf(options.alloc, ALLOC, 'alloc');
    const free = partsOf(options.free, FREE, 'free');
    const sample = options.alloc === undefined && options.free === undefined ? { sample: SAMPLE } : {};
    const rcu = options.free === undefined ? [RCU] : [];
    const on: Clause[] = [
      ...alloc.map(
        ({ event: { id }, ptr, size }): Clause => ({
          event: id,
          as: 'alloc',
          add: { ...pointer(ptr), size: size ?? SIZE, site: SITE },
        }),
      ),
      // A cache's object may be freed by kfree() and the other way round: all frees serve all allocations.
      ...free.map(({ event: { id }, ptr }): Clause => ({ event: id, as: 'free', add: pointer(ptr) })),
      ...rcu.map(({ id }): Clause => ({ event: id, as: 'defer', add: { ptr: RCU_OBJECT } })),
    ];
    return {
      mmap_pages: options.mmap_pages,
      backend: options.backend,
      complete: true,
      // An object is followed from its allocation to its free, or not at all.
      shed: {
        last: 'off',
        sample: {
          share: SAMPLED,
          says: 'only objects at one of eight addresses are followed: figures are scaled up (~)',
        },
      },
      events: [
        ...alloc.map(({ event }) => ({ ...event, ...sample, stack: options.callgraph })),
        ...free.map(({ event }) => ({ ...event, ...sample })),
        ...rcu,
      ],
      operators: [
        {
          op: 'outstanding',
          name: 'objects',
          keep: true,
          others: true,
          on,
          age_ns: (options.age_ms ?? 0) * 1e6,
        },
      ],
    };
  },
  quiet: (tables) =>
    tables.objects?.length === 0 ? 'Nothing allocated since the start is outstanding' : undefined,
  panels: [
    {
      kind: 'table',
      id: 'rows',
      title: 'Outstanding allocations',
      table: 'objects',
      sort: { column: 'bytes', descending: true },
      empty: 'nothing outstanding',
      columns: [
        { id: 'count', title: 'COUNT', help: 'objects outstanding', sum: true, format: 'int', min: 7 },
        { id: 'bytes', title: 'BYTES', help: 'bytes given for them', sum: true, format: 'bytes', min: 7 },
        {
          id: 'oldest_s',
          from: 'oldest_ns',
          scale: 1e-9,
          title: 'OLDEST_S',
          help: 'age of the oldest, seconds',
          format: 'seconds',
          min: 8,
        },
        {
          id: 'bucket',
          title: 'BUCKET',
          help: 'rcu/bulk: handed to RCU, or addresses of this site came back without a traced free: it may not be leaked',
          format: 'text',
          min: 8,
          max: 11,
          priority: 1,
        },
        { id: 'site', title: 'SITE', help: 'function that asked for the memory', format: 'text', min: 16 },
        {
          id: 'unseen_frees',
          title: 'UNSEEN',
          help: 'addresses of this site that came back without a traced free',
          format: 'int',
          min: 6,
          priority: 3,
        },
        {
          id: 'comms',
          title: 'COMMS',
          help: 'tasks that asked, with counts; (interrupt) where none did',
          format: 'text',
          min: 12,
          priority: 2,
        },
        { id: 'stack', title: 'STACK', help: 'call chain (-g)', format: 'text', hidden: 'screen' },
      ],
    },
  ],
};
