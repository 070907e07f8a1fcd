import { type Clause, type EventChoice, type Monitor, type Options, onCpus, type Plan } from './monitor.ts';

/** Wake-up to running: what most people look for first. */
const DEFAULT: readonly EventChoice[] = [{ name: 'sched:sched_wakeup' }, { name: 'sched:sched_switch' }];

interface Point extends EventChoice {
  readonly id: string;
}

/** What tells which events belong together. Wake-ups and switches speak of another task than the running one. */
function keyOf(event: EventChoice, place: 'start' | 'end', options: Options): string {
  if (options.key !== undefined) return options.key;
  if (event.name === 'sched:sched_switch') return place === 'start' ? 'prev_pid' : 'next_pid';
  if (/^sched:sched_(wakeup|wakeup_new|waking)$/.test(event.name)) return 'pid';
  return '$tid';
}

function points(options: Options): readonly Point[] {
  const events = options.events !== undefined && options.events.length > 1 ? options.events : DEFAULT;
  return events.map((event, i) => ({ ...event, id: `e${i}` }));
}

export const mpdelay: Monitor = {
  name: 'mpdelay',
  title: 'MPDelay',
  summary: 'How long it takes from one event to the next, and what happened in between when it took too long',
  options: ['cpu', 'event', 'key', 'than', 'percpu', 'mmap-pages'],
  than_unit: 'us',
  least_events: 2,
  plan: (options): Plan => {
    const chain = points(options);
    const on: Clause[] = [];
    for (const [hop, to] of chain.entries()) {
      const from = chain[hop - 1];
      if (from === undefined) continue;
      const key = (point: Point, place: 'start' | 'end'): Record<string, string> => ({
        key: keyOf(point, place, options),
        hop: String(hop),
      });
      // Who leaves the CPU was on it: where its switch-in was not recorded, no later one may end the wait.
      if (to.name === 'sched:sched_switch' && options.key === undefined)
        on.push({ event: to.id, as: 'cancel', key: { key: 'prev_pid', hop: String(hop) } });
      // The end first: an event in the middle of the chain ends one hop before it starts the next.
      on.push({ event: to.id, as: 'end', key: key(to, 'end') });
      const group: Record<string, string> = { hop: `"${from.name} => ${to.name}":text` };
      if (options.percpu === true) group.cpu = '$cpu';
      on.push({ event: from.id, as: 'start', key: key(from, 'start'), group, where: onCpus(options) });
    }
    // For the story of a slow pair; what starts one is in it anyway.
    const end = chain.at(-1);
    if ((options.than_us ?? 0) > 0 && end !== undefined) on.push({ event: end.id, as: 'between' });
    return {
      cpus: options.cpus,
      all_cpus: true,
      mmap_pages: options.mmap_pages,
      backend: options.backend,
      complete: true,
      shed: { last: 'duty', lacks: 'what takes longer than that is not seen' },
      events: chain.map(({ id, name, filter }) => ({ id, names: [name], filter })),
      operators: [
        {
          op: 'pair',
          name: 'hops',
          on,
          group: { hop: '"":text' },
          percpu: options.percpu,
          histogram_per_group: options.percpu !== true,
          than_ns: (options.than_us ?? 0) * 1000,
        },
      ],
    };
  },
  quiet: (tables) =>
    tables.hops === undefined || tables.hops.length === 0
      ? 'No pair of these events was complete in this interval'
      : undefined,
  panels: [
    {
      kind: 'table',
      id: 'rows',
      title: 'From event to event',
      table: 'hops',
      sort: { column: 'total_us', descending: true },
      empty: 'no pair yet',
      columns: [
        { id: 'hop', title: 'START => END', help: 'the two events', format: 'text', min: 24 },
        {
          id: 'cpu',
          title: 'CPU',
          help: 'CPU of the start (--percpu)',
          format: 'int',
          min: 4,
          optional: true,
        },
        {
          id: 'calls',
          from: 'count',
          title: 'CALLS',
          help: 'complete pairs',
          sum: true,
          format: 'int',
          min: 8,
        },
        {
          id: 'total_us',
          from: 'total_ns',
          scale: 1e-3,
          title: 'TOTAL_US',
          help: 'sum, µs',
          sum: true,
          format: 'us',
          decimals: 3,
          min: 12,
          priority: 1,
        },
        {
          id: 'min_us',
          from: 'min_ns',
          scale: 1e-3,
          title: 'MIN_US',
          help: 'shortest, µs',
          format: 'us',
          decimals: 3,
          min: 9,
          priority: 2,
        },
        {
          id: 'avg_us',
          from: 'avg_ns',
          scale: 1e-3,
          title: 'AVG_US',
          help: 'mean, µs',
          format: 'us',
          decimals: 3,
          min: 9,
        },
        {
          id: 'p50_us',
          from: 'p50_ns',
          scale: 1e-3,
          title: 'P50_US',
          help: 'median, µs (3 % exact)',
          format: 'us',
          decimals: 3,
          min: 9,
          priority: 2,
        },
        {
          id: 'p99_us',
          from: 'p99_ns',
          scale: 1e-3,
          title: 'P99_US',
          help: '99th percentile, µs (3 % exact)',
          format: 'us',
          decimals: 3,
          min: 9,
        },
        {
          id: 'max_us',
          from: 'max_ns',
          scale: 1e-3,
          title: 'MAX_US',
          help: 'longest, µs',
          format: 'us',
          decimals: 3,
          min: 10,
        },
      ],
    },
    { kind: 'histogram', id: 'histogram', title: 'Delay', histogram: 'hops' },
    { kind: 'log', id: 'log', title: 'Slower than --than', log: 'hops', incidents: true },
  ],
};
