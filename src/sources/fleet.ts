/** A fleet of crashed kernels as a Source: nothing moves but by what the user decides. */
import type { Options } from '../monitors/monitor.ts';
import { clusterFacts, clustersTable, coresTable, type Fleet } from '../vmcore/fleet/tables.ts';
import { ANSWERS, CLUSTERS, CORES } from '../vmcore/fleet/tabs.ts';
import type { LogEntry, Snapshot, Table } from './snapshot.ts';
import type { CommandLine, HostInfo, Source, SourceMessage } from './source.ts';

type Listener = (message: SourceMessage) => unknown;

const MOST_LINES = 20_000;

export interface FleetSettings {
  readonly fleet: Fleet;
  /** Shown in the header. */
  readonly name: string;
  /** Answers a line; what it throws is said as well. The fleet may be another one afterwards. */
  readonly ask: (line: string) => Promise<{ readonly text: string; readonly fleet: Fleet }>;
}

export function openFleet(settings: FleetSettings): Source {
  return new FleetSource(settings);
}

class FleetSource implements Source {
  readonly host: HostInfo;
  readonly still = true;
  readonly commands: CommandLine;
  readonly #ask: FleetSettings['ask'];
  readonly #listeners = new Set<Listener>();
  readonly #shown = new Map<string, number>();
  readonly #output: LogEntry[] = [];
  #fleet: Fleet;

  constructor({ fleet, name, ask }: FleetSettings) {
    this.#fleet = fleet;
    this.#ask = ask;
    const cores = fleet.byKey.size;
    this.host = {
      host: `${name}: ${cores} ${cores === 1 ? 'core' : 'cores'}`,
      kernel: '',
      cpus: 0,
      boot_time: 0,
    };
    this.commands = { tab: ANSWERS, prompt: 'fleet>', run: (line) => void this.#run(line) };
  }

  start(monitor: string, _options: Options): void {
    if (!this.#shown.has(monitor)) this.#shown.set(monitor, 0);
    setImmediate(() => this.#show(monitor));
  }

  stop(monitor: string): void {
    this.#shown.delete(monitor);
  }

  capabilities(): void {
    setImmediate(() => this.#tell({ type: 'capabilities', capabilities: [] }));
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    this.#listeners.clear();
  }

  async #run(line: string): Promise<void> {
    this.#print(`fleet> ${line}`);
    try {
      const { text, fleet } = await this.#ask(line);
      this.#fleet = fleet;
      this.#print(text);
    } catch (error) {
      this.#print((error as Error).message);
    }
    for (const monitor of this.#shown.keys()) this.#show(monitor);
  }

  #print(text: string): void {
    for (const line of text.replace(/\n$/, '').split('\n')) {
      const at_ms = (this.#output.at(-1)?.at_ms ?? 0) + 1;
      this.#output.push({ at_ms, cpu: -1, pid: -1, tid: -1, comm: '', text: line });
    }
    this.#output.splice(0, Math.max(0, this.#output.length - MOST_LINES));
  }

  #show(monitor: string): void {
    const seq = (this.#shown.get(monitor) ?? 0) + 1;
    if (!this.#shown.has(monitor)) return;
    this.#shown.set(monitor, seq);
    const tables = this.#tables(monitor);
    const logs: Snapshot['logs'] = monitor === ANSWERS ? { output: [...this.#output] } : {};
    const counts = { events: 0, lost: 0, late: 0, unseen: 0, notes: [] };
    const times = { seq, time: Date.now(), mono_ms: this.#output.at(-1)?.at_ms ?? 0, interval_ms: 1000 };
    const snapshot = { monitor, backend: 'the index', ...counts, ...times, tables, histograms: {}, logs };
    this.#tell({ type: 'snapshot', snapshot });
  }

  #tables(monitor: string): Readonly<Record<string, Table>> {
    if (monitor === CLUSTERS) return { clusters: clustersTable(clusterFacts(this.#fleet)) };
    if (monitor === CORES) return { members: coresTable(this.#fleet) };
    return {};
  }

  #tell(message: SourceMessage): void {
    for (const listener of this.#listeners) listener(message);
  }
}
