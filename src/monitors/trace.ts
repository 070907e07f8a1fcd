import type { EventChoice, Monitor, Options, Plan } from './monitor.ts';

/** Rare everywhere and of use: who starts, ends, is killed. */
const DEFAULT: readonly EventChoice[] = [
  { name: 'sched:sched_process_exec' },
  { name: 'sched:sched_process_exit' },
  { name: 'signal:signal_generate' },
  { name: 'oom:mark_victim' },
];

function chosen(options: Options): readonly EventChoice[] {
  return options.events !== undefined && options.events.length > 0 ? options.events : DEFAULT;
}

/** The filter behind the event and that of --filter, both. */
function filterOf(event: EventChoice, options: Options): string | undefined {
  const terms = [event.filter, options.filter].filter(
    (term): term is string => term !== undefined && term !== '',
  );
  return terms.length > 1 ? terms.map((term) => `(${term})`).join('&&') : terms[0];
}

export const trace: Monitor = {
  name: 'trace',
  title: 'Trace',
  summary: 'Events as they happen, decoded as the kernel would print them',
  options: ['cpu', 'event', 'filter', 'call-graph', 'mmap-pages'],
  kernel_filter: true,
  any_events: true,
  plan: (options): Plan => {
    const events = chosen(options);
    return {
      cpus: options.cpus,
      mmap_pages: options.mmap_pages,
      backend: options.backend,
      shed: { last: 'duty' },
      events: events.map((event, i) => ({
        id: `e${i}`,
        names: [event.name],
        filter: filterOf(event, options),
        stack: options.callgraph,
      })),
      operators: [
        { op: 'log', name: 'events', others: true, on: events.map((_, i) => ({ event: `e${i}` })) },
        {
          op: 'count',
          // Reading events makes events.
          others: true,
          name: 'rates',
          on: events.map((event, i) => ({
            event: `e${i}`,
            key: { event: `"${event.name}":text` },
            add: { count: '1' },
          })),
        },
      ],
    };
  },
  panels: [
    { kind: 'log', id: 'log', title: 'Events', log: 'events' },
    {
      kind: 'table',
      id: 'rows',
      title: 'Rates',
      table: 'rates',
      sort: { column: 'count', descending: true },
      empty: 'no event in this interval',
      columns: [
        { id: 'event', title: 'EVENT', help: 'system:name', format: 'text', min: 20 },
        { id: 'count', title: 'COUNT', help: 'events in the interval', sum: true, format: 'int', min: 9 },
        {
          id: 'per_s',
          from: 'count',
          rate: true,
          title: 'PER_S',
          help: 'events per second',
          sum: true,
          format: 'number',
          min: 10,
        },
      ],
    },
  ],
};
