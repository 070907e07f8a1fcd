import type { Monitor, Plan } from './monitor.ts';

const LIMIT_US = 20_000;

/** A tenth of the limit makes durations exact to 5 %; with --precise a twentieth. The kernel allows 10 µs and more. */
function period(limit_us: number, precise: boolean): number {
  return Math.max(20_000, Math.min(10_000_000, (limit_us * 1000) / (precise ? 20 : 10)));
}

export const irqOff: Monitor = {
  name: 'irq-off',
  title: 'IRQ off',
  summary: 'Which CPU kept interrupts off for too long, told apart from time the hypervisor took',
  standard: true,
  options: ['cpu', 'latency', 'precise', 'call-graph', 'mmap-pages'],
  // Below, ticks would have to come more often than the kernel can bear.
  least_latency_us: 100,
  plan: (options): Plan => {
    const limit_us = options.latency_us ?? LIMIT_US;
    const period_ns = period(limit_us, options.precise === true);
    return {
      cpus: options.cpus,
      mmap_pages: options.mmap_pages,
      // A tick that a host's perf drops while the CPU idles would look like interrupts off.
      backend: options.backend ?? 'tracefs',
      sampler: { period_ns, stack: options.callgraph },
      // The samples tell of the same ticks; on some hosts those of idle CPUs are missing.
      shed: { last: 'never', lacks: 'a silence would not be told from a pause' },
      events: [{ id: 'expire', names: ['timer:hrtimer_expire_entry'], optional: '' }],
      operators: [
        {
          op: 'gap',
          name: 'gaps',
          keep: true,
          period_ns,
          than_ns: limit_us * 1000,
          on: [
            { event: 'expire', where: 'function == ksym("perf_swevent_hrtimer")', key: { cpu: '$cpu' } },
            { event: '@clock', key: { cpu: '$cpu' } },
          ],
        },
      ],
    };
  },
  quiet: (tables) =>
    tables.gaps === undefined || tables.gaps.length === 0
      ? 'No tick of the CPU clock has come yet'
      : undefined,
  panels: [
    {
      kind: 'table',
      id: 'rows',
      title: 'Per CPU since the tab was opened',
      table: 'gaps',
      sort: { column: 'max_us', descending: true },
      empty: 'no tick yet',
      columns: [
        { id: 'cpu', title: 'CPU', help: 'CPU number', format: 'int', min: 4 },
        {
          id: 'count',
          title: 'COUNT',
          help: 'times that interrupts were off for longer than the limit (-L)',
          format: 'int',
          min: 6,
          warn: 1,
        },
        {
          id: 'max_us',
          from: 'max_ns',
          scale: 1e-3,
          title: 'MAX_US',
          help: 'longest silence, µs, exact to half a tick (5 % of the limit)',
          format: 'us',
          min: 10,
        },
        {
          id: 'last_us',
          from: 'last_ns',
          scale: 1e-3,
          title: 'LAST_US',
          help: 'latest silence over the limit, µs',
          format: 'us',
          min: 10,
        },
        {
          id: 'steal_us',
          from: 'steal_ns',
          scale: 1e-3,
          title: 'STEAL_US',
          help: 'of these silences, µs the hypervisor gave to others (steps of 10 ms)',
          format: 'us',
          min: 10,
        },
        {
          id: 'preempted',
          from: 'stolen_hits',
          title: 'PREEMPTED',
          help: 'silences over the limit that steal explains',
          format: 'int',
          min: 9,
        },
        {
          id: 'kind',
          title: 'KIND',
          help: 'of the longest: irq-off, or preempted = the vCPU did not run',
          format: 'text',
          min: 9,
          max: 9,
        },
        {
          id: 'ticks',
          title: 'TICKS',
          help: 'ticks of the CPU clock seen',
          format: 'int',
          min: 9,
          priority: 1,
        },
      ],
    },
    {
      kind: 'log',
      id: 'log',
      title: 'Silences over the limit; a stack is where interrupts came back on',
      log: 'gaps',
      incidents: true,
    },
  ],
};
