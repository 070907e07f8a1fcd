/** A Source that needs no kernel: random walks in the shape of the real monitors, many rows, hostile names. */
import type { ColumnSpec, Monitor, Options, PanelSpec, TablePanel } from '../../src/monitors/monitor.ts';
import type { Column, Histogram, LogEntry, Snapshot, Table } from '../../src/sources/snapshot.ts';
import type {
  Capability,
  Mark,
  Recording,
  RecordingState,
  Source,
  SourceMessage,
} from '../../src/sources/source.ts';
import { Tape } from './fake-playback.ts';
import { fakeStacks } from './fake-stacks.ts';

export interface FakeOptions {
  readonly monitors: readonly Monitor[];
  readonly rows: number;
  readonly cpus: number;
  /** Nothing changes from one snapshot to the next. */
  readonly frozen: boolean;
  readonly lost: number;
  readonly notes: readonly string[];
  /** Monitors that fail to open. */
  readonly failing: readonly string[];
  /** Snapshots stop after so many. */
  readonly limit: number;
  /** Distinct stacks, log entries per snapshot. */
  readonly stacks: number;
  readonly entries: number;
  /** Time can be moved in: in a recording of so many seconds, or in what the source has sent. */
  readonly playback: 'none' | 'file' | 'live';
  readonly seconds: number;
  /** Monitors that are in the recording; empty: all. */
  readonly recorded: readonly string[];
  readonly damage: readonly string[];
  /** Recording fails: when it starts, or after a second. */
  readonly disk: 'good' | 'denied' | 'full';
}

/** When the recording starts. */
export const TAPE_START = Date.UTC(2026, 10, 20, 12, 3, 0);

export const DEFAULTS: Omit<FakeOptions, 'monitors'> = {
  rows: 10_000,
  cpus: 256,
  frozen: false,
  lost: 0,
  notes: [],
  failing: [],
  limit: Number.POSITIVE_INFINITY,
  stacks: 2000,
  entries: 1,
  playback: 'none',
  seconds: 600,
  recorded: [],
  damage: [],
  disk: 'good',
};

export const HOSTILE_NAMES = [
  'x\x1b]0;owned\x07',
  '\x1b[2J\x1b[H\x1b[?1049l',
  'a\nb\rc\td',
  '\u202egnp.exe',
  '\u009b31mred',
  'zero\u200bwidth',
  'half\ud800',
  '名前の長いプロセス',
  'Zal\u0300\u0301\u0302go',
  '\x7f\x7f\x7f',
];
const NAMES = [
  'systemd',
  'sshd',
  'kworker/u8:1-events_unbound',
  'nginx',
  'postgres',
  'bash',
  'rcu_preempt',
  'java',
];
const SITES = [
  'alloc_skb_with_frags',
  'kmem_cache_alloc_lru',
  '__d_alloc',
  'ext4_alloc_inode',
  'getname_flags',
];
const TEXTS: Readonly<Record<string, readonly string[]>> = {
  dev: ['eth0', 'lo', 'enp0s31f6', 'veth1a2b3c4', 'docker0'],
  device: ['sda', 'nvme0n1', 'dm-0', '-'],
  op: ['R', 'W'],
  state: ['D', 'S', 'R', 'T'],
  kind: ['process', 'writeback'],
  bucket: ['', 'rcu/bulk'],
  site: SITES,
  wchan: ['io_schedule', 'futex_wait_queue', 'do_epoll_wait', ''],
  exit_reason: [
    'EPT_VIOLATION',
    'EXTERNAL_INTERRUPT',
    'MSR_WRITE',
    'CPUID',
    'IO_INSTRUCTION',
    'PREEMPTION_TIMER',
  ],
  stack: ['schedule;io_schedule;folio_wait_bit;filemap_read;vfs_read;ksys_read;do_syscall_64', ''],
};

/** Deterministic: the same seed gives the same pictures. */
function generator(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

export function fakeSource(options: FakeOptions): Source {
  const listeners = new Set<(message: SourceMessage) => void>();
  const emit = (message: SourceMessage) => {
    for (const listener of listeners) listener(message);
  };
  const host = { host: 'buildhost-17', kernel: '6.1.0-25-cloud-amd64', cpus: options.cpus, boot_time: 0 };
  const common = {
    host,
    capabilities: () => emit({ type: 'capabilities', capabilities: options.monitors.map(capabilityOf) }),
    subscribe(listener: (message: SourceMessage) => void) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
  return options.playback === 'file' ? taped(options, common, emit) : running(options, common, emit);
}

type Emit = (message: SourceMessage) => void;
type Common = Pick<Source, 'host' | 'capabilities' | 'subscribe'>;

function capabilityOf({ name }: Monitor): Capability {
  return {
    monitor: name,
    state: 'degraded',
    needs: ['net:net_dev_queue', 'net:netif_receive_skb'],
    backend: 'tracefs',
    why: 'perf drops samples of an idle CPU here',
    remedy: 'none is needed',
  };
}

/** A recording with a snapshot of every monitor each second, and marks at known times. */
function taped(options: FakeOptions, common: Common, emit: Emit): Source {
  const recorded = options.monitors
    .map(({ name }) => name)
    .filter((name) => options.recorded.length === 0 || options.recorded.includes(name));
  const first = recorded[0] ?? '';
  const at = (seconds: number) => TAPE_START + seconds * 1000;
  const marks: Mark[] = [
    { time: at(60), kind: 'incident', monitor: first, text: 'dd[4711] D 3214 ms in \x1b[31mio_schedule' },
    { time: at(90), kind: 'loss', monitor: first, text: '17 events lost' },
    { time: at(300), kind: 'damage', monitor: '', text: 'frame 12 is damaged' },
    { time: at(420), kind: 'incident', monitor: recorded.at(-1) ?? '', text: 'second incident' },
  ];
  const tape = new Tape({ kind: 'file', marks, damage: options.damage, keep_ms: 0 }, emit);
  const random = generator(7);
  const snapshots: Snapshot[] = [];
  for (const name of recorded) {
    const world = new World(options.monitors.find((one) => one.name === name) as Monitor, options, random);
    for (let second = 0; second <= options.seconds; second += 1) {
      world.step();
      const snapshot = world.snapshot(second + 1, 1000, 5000 + second * 1000, second === 90 ? 17 : 0);
      snapshots.push({ ...snapshot, time: at(second) });
    }
  }
  tape.load(snapshots);
  return {
    ...common,
    recorded: recorded.map((monitor) => ({ monitor, options: { interval_ms: 1000 } })),
    playback: tape,
    start(name) {
      if (recorded.includes(name)) {
        tape.start(name);
        return;
      }
      const text = `${name} is not in this recording; it holds ${recorded.join(', ')}`;
      setImmediate(() => emit({ type: 'failed', failure: { monitor: name, kind: 'host', text } }));
    },
    stop: (name) => tape.stop(name),
    close: async () => tape.close(),
  };
}

/** A source that goes on by itself. */
function running(options: FakeOptions, common: Common, emit: Emit): Source {
  const timers = new Map<string, NodeJS.Timeout>();
  const random = generator(7);
  const worlds = new Map<string, World>();
  const tape =
    options.playback === 'live'
      ? new Tape({ kind: 'live', marks: [], damage: [], keep_ms: 600_000 }, emit)
      : undefined;
  const recording = tape === undefined ? undefined : new FakeRecording(options.disk, emit);
  const started = performance.now();
  const load = setInterval(() => {
    const wobble = options.frozen ? 0 : random();
    emit({
      type: 'load',
      load: {
        uptime_s: 1_234_567,
        load: [0.52 + wobble, 0.61, 0.7],
        self_cpu_pct: 0.4,
        self_rss: 104 * 2 ** 20,
      },
    });
  }, 1000);
  const seqs = new Map<string, number>();
  const send = (monitor: Monitor, interval_ms: number) => {
    const seq = (seqs.get(monitor.name) ?? 0) + 1;
    if (seq > options.limit) return;
    seqs.set(monitor.name, seq);
    const world = worlds.get(monitor.name) ?? new World(monitor, options, random);
    worlds.set(monitor.name, world);
    if (!options.frozen) world.step();
    const mono_ms = performance.now() - started;
    const snapshot = world.snapshot(seq, interval_ms, mono_ms, seq % 4 === 0 ? options.lost : 0);
    recording?.write();
    if (tape === undefined) emit({ type: 'snapshot', snapshot });
    else tape.add(snapshot);
  };
  const source: Source = {
    ...common,
    start(name: string, { interval_ms }: Options) {
      clearInterval(timers.get(name));
      const monitor = options.monitors.find((candidate) => candidate.name === name);
      if (monitor === undefined || options.failing.includes(name)) {
        const text =
          'this kernel has no kvm:kvm_exit; load the kvm module (modprobe kvm_intel) and try again';
        setTimeout(() => emit({ type: 'failed', failure: { monitor: name, kind: 'host', text } }), 50);
        return;
      }
      tape?.start(name);
      setTimeout(() => send(monitor, interval_ms), Math.min(200, interval_ms));
      timers.set(
        name,
        setInterval(() => send(monitor, interval_ms), interval_ms),
      );
    },
    stop(name: string) {
      clearInterval(timers.get(name));
      tape?.stop(name);
    },
    async close() {
      clearInterval(load);
      tape?.close();
      for (const timer of timers.values()) clearInterval(timer);
    },
  };
  return tape === undefined || recording === undefined ? source : { ...source, playback: tape, recording };
}

/** Says that it records; writes nothing. */
class FakeRecording implements Recording {
  readonly #disk: FakeOptions['disk'];
  readonly #emit: Emit;
  #state: RecordingState = { path: '', bytes: 0, since: 0, snapshots: 0, error: '' };

  constructor(disk: FakeOptions['disk'], emit: Emit) {
    this.#disk = disk;
    this.#emit = emit;
  }

  state(): RecordingState {
    return this.#state;
  }

  start(path: string): void {
    if (this.#disk === 'denied') throw new Error(`cannot make ${path} (EACCES); record to another directory`);
    this.#set({ path, bytes: 0, since: Date.now(), snapshots: 0, error: '' });
  }

  async stop(): Promise<void> {
    this.#set({ ...this.#state, path: '' });
  }

  write(): void {
    if (this.#state.path === '') return;
    const { bytes, snapshots } = this.#state;
    if (this.#disk === 'full' && snapshots === 2)
      this.#set({ ...this.#state, path: '', error: 'the disk is full; what was written replays' });
    else this.#set({ ...this.#state, bytes: bytes + 3500, snapshots: snapshots + 1 });
  }

  #set(state: RecordingState): void {
    this.#state = state;
    setImmediate(() => this.#emit({ type: 'recording', recording: state }));
  }
}

/** The tables of one monitor, and how they wander. */
export class World {
  readonly #monitor: Monitor;
  readonly #options: FakeOptions;
  readonly #random: () => number;
  readonly #tables = new Map<string, Table>();

  constructor(monitor: Monitor, options: FakeOptions, random: () => number = generator(7)) {
    this.#monitor = monitor;
    this.#options = options;
    this.#random = random;
    for (const panel of monitor.panels) {
      if (panel.kind === 'stacks')
        this.#tables.set(panel.table, fakeStacks(panel, this.#options, this.#random));
      else if ('table' in panel) this.#extend(panel.table, panel);
    }
  }

  step(): void {
    for (const table of this.#tables.values()) {
      for (const [name, column] of Object.entries(table.columns)) {
        if (!(column instanceof Float64Array) || table.key.includes(name) || STILL.has(name)) continue;
        for (let row = 0; row < column.length; row += 1) {
          if (this.#random() < 0.6) continue;
          column[row] = Math.max(0, (column[row] as number) * (0.8 + this.#random() * 0.4));
        }
      }
    }
  }

  snapshot(seq: number, interval_ms: number, mono_ms: number, lost: number): Snapshot {
    const histograms: Record<string, Histogram[]> = {};
    const logs: Record<string, LogEntry[]> = {};
    for (const panel of this.#monitor.panels) {
      if (panel.kind === 'histogram') histograms[panel.histogram] = [this.#histogram()];
      if (panel.kind === 'log') logs[panel.log] = this.#entries(mono_ms);
    }
    return {
      monitor: this.#monitor.name,
      seq,
      time: this.#options.frozen ? 1_700_000_000_000 : Date.now(),
      mono_ms,
      interval_ms,
      backend: 'tracefs',
      events: this.#options.frozen ? 5120 : Math.round(5000 + 500 * this.#random()),
      lost,
      late: 0,
      unseen: 0,
      notes: this.#options.notes,
      tables: structuredClone(Object.fromEntries(this.#tables)),
      histograms,
      logs,
    };
  }

  #extend(name: string, panel: Exclude<PanelSpec, { kind: 'histogram' | 'log' }>): void {
    const before = this.#tables.get(name);
    const length = before?.length ?? this.#lengthOf(name, panel);
    const columns: Record<string, Column> = { ...before?.columns };
    for (const spec of columnsOf(panel)) {
      const id = spec.from ?? spec.id;
      columns[id] ??= this.#column(spec, id, length, panel.kind !== 'table' || isPerCpu(panel));
    }
    this.#tables.set(name, { length, key: before?.key ?? keyOf(columns), columns });
  }

  #lengthOf(name: string, panel: PanelSpec): number {
    if (panel.kind === 'line') return 1;
    if (panel.kind === 'bars' || name === 'cpus') return this.#options.cpus;
    if (panel.kind === 'table' && panel.columns.some(({ id }) => id === 'pid')) return this.#options.rows;
    return Math.min(6, this.#options.rows);
  }

  #column(spec: ColumnSpec, id: string, length: number, share: boolean): Column {
    const random = this.#random;
    if (spec.format === 'text') {
      const strings = TEXTS[id] ?? [...NAMES, ...HOSTILE_NAMES];
      const ids = Uint32Array.from(
        { length },
        (_, row) => (id === 'comm' ? row : Math.floor(random() * 97)) % strings.length,
      );
      return { ids, strings };
    }
    return Float64Array.from({ length }, (_, row) => {
      if (id === 'cpu') return row;
      if (id === 'pid' || id === 'tid') return 100 + row * 3;
      if (id === 'ppid') return row === 0 ? 0 : 100 + Math.floor(row / 5) * 3;
      if (id === 'uid') return row % 7 === 0 ? 0 : 1000 + (row % 3);
      if (random() < 0.3) return 0;
      const shown = share ? random() * 25 : 10 ** (random() * 5);
      return spec.format === 'percent' ? Math.min(100, shown) : shown / (spec.scale ?? 1);
    });
  }

  #histogram(): Histogram {
    const buckets = 14;
    const count = Float64Array.from({ length: buckets }, (_, index) =>
      Math.round(
        3000 * Math.exp(-((index - 5) ** 2) / 6) * (0.8 + (this.#options.frozen ? 0 : 0.4 * this.#random())),
      ),
    );
    return {
      label: '',
      unit: 'ns',
      low: Float64Array.from({ length: buckets }, (_, index) => 2 ** (index + 6)),
      high: Float64Array.from({ length: buckets }, (_, index) => 2 ** (index + 7) - 1),
      count,
    };
  }

  #entries(mono_ms: number): LogEntry[] {
    if (this.#options.frozen) return [];
    return Array.from({ length: this.#options.entries }, (_, index) => {
      const row = Math.floor(this.#random() * 50);
      return {
        at_ms: mono_ms - 300 + (300 * (index + this.#random())) / this.#options.entries,
        cpu: row % this.#options.cpus,
        pid: 100 + row * 3,
        tid: 100 + row * 3,
        comm: [...NAMES, ...HOSTILE_NAMES][row % 18] as string,
        text: `D 1234.5 ms in \x1b[31mio_schedule, then ran on cpu${row % 4}`,
        stack: ['__schedule', 'schedule', 'io_schedule', 'folio_wait_bit_common'],
      };
    });
  }
}

const STILL = new Set(['uid', 'ppid', 'tid', 'cpu']);

function isPerCpu(panel: TablePanel): boolean {
  return panel.columns.some(({ id }) => id === 'cpu');
}

function keyOf(columns: Readonly<Record<string, Column>>): string[] {
  const wanted = ['pid', 'cpu', 'exit_reason', 'site', 'device', 'dev'].find((name) => name in columns);
  return wanted === undefined ? [] : [wanted];
}

function columnsOf(panel: Exclude<PanelSpec, { kind: 'histogram' | 'log' }>): ColumnSpec[] {
  if (panel.kind === 'stacks') return [];
  const share = (id: string): ColumnSpec => ({ id, title: id, help: '', format: 'percent' });
  if (panel.kind === 'line') return [share(panel.column)];
  if (panel.kind === 'bars')
    return [share(panel.label), ...panel.segments.map(({ column }) => share(column))];
  const tree = panel.tree === undefined ? [] : [panel.tree.id, panel.tree.parent];
  return [...panel.columns, ...tree.map((id): ColumnSpec => ({ id, title: id, help: '', format: 'int' }))];
}
