import { type Monitor, numberAt, onCpus, type Plan, type Table } from './monitor.ts';

const NO_KVM = 'no exit of a guest can be seen; its events come with the KVM module';
/** A halted guest waits for its own work: not a slow exit. VMX 12, SVM 0x78. */
const NOT_HALTED = '!((isa == 1 && (exit_reason & 0xffff) == 12) || (isa == 2 && exit_reason == 0x78))';

export const kvmExit: Monitor = {
  name: 'kvm-exit',
  title: 'KVM exit',
  summary: 'Why guests leave guest mode, and how long the host takes to let them back in',
  options: ['cpu', 'pid', 'than', 'percpu', 'mmap-pages'],
  than_unit: 'us',
  plan: (options): Plan => ({
    cpus: options.cpus,
    all_cpus: true,
    mmap_pages: options.mmap_pages,
    backend: options.backend,
    shed: { last: 'duty', lacks: 'what takes longer than that is not seen' },
    events: [
      { id: 'exit', names: ['kvm:kvm_exit'], optional: NO_KVM },
      { id: 'entry', names: ['kvm:kvm_entry'], optional: NO_KVM },
    ],
    operators: [
      {
        op: 'pair',
        name: 'exits',
        // A vCPU thread may move between CPUs while it is out: pair by thread, never by CPU.
        on: [
          { event: 'exit', as: 'start', key: { tid: '$tid' }, where: onCpus(options) },
          { event: 'entry', as: 'end', key: { tid: '$tid' } },
        ],
        group:
          options.percpu === true
            ? { cpu: '$cpu', exit_reason: 'exit_reason:symbol' }
            : { exit_reason: 'exit_reason:symbol' },
        alarm: NOT_HALTED,
        // Kernel addresses have the top bit set: the guest was in its kernel.
        sums: { kernel_ns: 'guest_rip < 0' },
        timed: ['kernel_ns'],
        pids: options.pids,
        percpu: options.percpu,
        than_ns: (options.than_us ?? 0) * 1e3,
      },
    ],
  }),
  derive: (tables): Record<string, Table> => {
    const exits = tables.exits;
    if (exits === undefined) return {};
    const gsys = Float64Array.from(
      { length: exits.length },
      (_, row) => (100 * numberAt(exits.columns.kernel_ns, row)) / numberAt(exits.columns.total_ns, row),
    );
    return { exits: { ...exits, columns: { ...exits.columns, gsys } } };
  },
  quiet: (tables) =>
    tables.exits === undefined || tables.exits.length === 0
      ? 'No exit seen: no KVM guest runs on this host, or its KVM module does not trace exits'
      : undefined,
  panels: [
    { kind: 'histogram', id: 'histogram', title: 'kvm-exit latency', histogram: 'exits' },
    {
      kind: 'table',
      id: 'rows',
      title: 'By exit reason',
      table: 'exits',
      sort: { column: 'total_us', descending: true },
      empty: 'no exit',
      columns: [
        {
          id: 'cpu',
          title: 'CPU',
          help: 'CPU of the exit (--percpu)',
          format: 'int',
          min: 4,
          optional: true,
        },
        { id: 'exit_reason', title: 'exit_reason', help: 'as the kernel names it', format: 'text', min: 20 },
        {
          id: 'calls',
          from: 'count',
          title: 'calls',
          help: 'exits that were followed by an entry',
          sum: true,
          format: 'int',
          min: 8,
        },
        {
          id: 'total_us',
          from: 'total_ns',
          scale: 1e-3,
          title: 'total(us)',
          help: 'time out of the guest, µs',
          sum: true,
          format: 'us',
          decimals: 3,
          min: 12,
        },
        {
          id: 'min_us',
          from: 'min_ns',
          scale: 1e-3,
          title: 'min(us)',
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
          title: 'avg(us)',
          help: 'mean, µs',
          format: 'us',
          decimals: 3,
          min: 9,
        },
        {
          id: 'p50_us',
          from: 'p50_ns',
          scale: 1e-3,
          title: 'p50(us)',
          help: 'median, µs (3 % exact)',
          format: 'us',
          decimals: 3,
          min: 9,
          priority: 2,
        },
        {
          id: 'p95_us',
          from: 'p95_ns',
          scale: 1e-3,
          title: 'p95(us)',
          help: '95th percentile, µs (3 % exact)',
          format: 'us',
          decimals: 3,
          min: 9,
          priority: 2,
        },
        {
          id: 'p99_us',
          from: 'p99_ns',
          scale: 1e-3,
          title: 'p99(us)',
          help: '99th percentile, µs (3 % exact)',
          format: 'us',
          decimals: 3,
          min: 9,
          priority: 1,
        },
        {
          id: 'max_us',
          from: 'max_ns',
          scale: 1e-3,
          title: 'max(us)',
          help: 'longest, µs',
          format: 'us',
          decimals: 3,
          min: 10,
        },
        {
          id: 'gsys_pct',
          from: 'gsys',
          title: '%gsys',
          help: '% of the time that is due to exits of the guest’s kernel',
          format: 'percent',
          min: 6,
          priority: 1,
        },
      ],
    },
    { kind: 'log', id: 'log', title: 'Exits slower than --than', log: 'exits', incidents: true },
  ],
};
