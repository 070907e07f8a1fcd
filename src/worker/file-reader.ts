/**
 * Reads a perf.data file instead of a kernel: the same operators, as fast as whoever listens takes the snapshots.
 * It runs in the reader thread; `post` and `load` are all it knows of the world around it.
 */
import type { Monitor, Options } from '../monitors/monitor.ts';
import type { Snapshot } from '../sources/snapshot.ts';
import type { Addon, NativeSnapshot } from './addon.ts';
import { checkAll } from './capabilities.ts';
import { failureOf } from './failure.ts';
import type { FromReader, InputFacts, ToReader } from './protocol.ts';
import { buffersOf } from './transfer.ts';

/** Longest time spent on a file before messages get their turn. */
const SLICE_MS = 50;

interface Open {
  readonly monitor: Monitor;
  readonly handle: number;
  readonly options: Options;
  readonly run: number;
  seq: number;
  /** The last snapshot has been taken out of the file. */
  ended: boolean;
}

export class FileReader {
  readonly #monitors: readonly Monitor[];
  readonly #post: (message: FromReader, transfer?: readonly ArrayBuffer[]) => void;
  readonly #open = new Map<string, Open>();
  #file: { readonly addon: Addon; readonly facts: InputFacts } | undefined;

  /** Opens the file at once and says so, or why it cannot. */
  constructor(
    load: () => Addon,
    monitors: readonly Monitor[],
    path: string,
    post: (message: FromReader, transfer?: readonly ArrayBuffer[]) => void,
  ) {
    this.#monitors = monitors;
    this.#post = post;
    try {
      const addon = load();
      const facts = addon.input(path);
      this.#file = { addon, facts };
      post({ type: 'input', facts });
    } catch (error) {
      post({ type: 'failed', failure: failureOf('', error) });
    }
  }

  handle(message: ToReader): void {
    switch (message.type) {
      case 'start':
        this.#start(message.monitor, message.options, message.run ?? 0);
        break;
      case 'stop':
        this.#stop(message.monitor);
        break;
      case 'taken':
        this.#taken(message.monitor, message.run ?? 0);
        break;
      case 'capabilities':
        this.#capabilities();
        break;
      case 'close':
        for (const name of [...this.#open.keys()]) this.#stop(name);
        this.#post({ type: 'closed' });
        break;
    }
  }

  /** From the beginning of the file, also when it is open already. */
  #start(name: string, wanted: Options, run: number): void {
    if (this.#file === undefined) return;
    const { addon, facts } = this.#file;
    this.#stop(name);
    try {
      const monitor = this.#monitors.find((candidate) => candidate.name === name);
      if (monitor === undefined) throw Object.assign(new Error(`no monitor "${name}"`), { kind: 'usage' });
      const options = fitted(wanted, monitor, facts);
      const handle = addon.inputOpen(monitor.plan(options));
      const open: Open = { monitor, handle, options, run, seq: 0, ended: false };
      this.#open.set(name, open);
      this.#work(open);
    } catch (error) {
      this.#post({ type: 'failed', failure: failureOf(name, error) });
    }
  }

  #stop(name: string): void {
    const open = this.#open.get(name);
    if (open === undefined) return;
    this.#open.delete(name);
    this.#file?.addon.inputClose(open.handle);
  }

  #taken(name: string, run: number): void {
    const open = this.#open.get(name);
    if (open === undefined || open.run !== run) return;
    if (!open.ended) {
      this.#work(open);
      return;
    }
    this.#stop(name);
    this.#post({ type: 'read', monitor: name, run, snapshot: undefined });
  }

  #work(open: Open): void {
    const { monitor, options, handle, run } = open;
    if (this.#file === undefined || this.#open.get(monitor.name) !== open) return;
    const { addon, facts } = this.#file;
    try {
      const next = addon.inputNext(handle, options.interval_ms, SLICE_MS);
      if (next === undefined) {
        setImmediate(() => this.#work(open));
        return;
      }
      open.seq += 1;
      open.ended = next.ended;
      const snapshot = complete(monitor, options, open.seq, next.snapshot, facts);
      if (!showsAnything(monitor, snapshot)) throw nothingToShow(monitor);
      this.#post({ type: 'read', monitor: monitor.name, run, snapshot }, buffersOf(snapshot));
    } catch (error) {
      this.#stop(monitor.name);
      this.#post({ type: 'failed', failure: failureOf(monitor.name, error) });
    }
  }

  #capabilities(): void {
    if (this.#file === undefined) return;
    const { addon, facts } = this.#file;
    const optionsOf = (monitor: Monitor) => fitted({ interval_ms: 1000 }, monitor, facts);
    const capabilities = checkAll((plan) => addon.inputCheck(plan), this.#monitors, optionsOf);
    this.#post({ type: 'capabilities', capabilities });
  }
}

/** Whether any panel has something to be made from: tables that need readings of /proc are not there. */
function showsAnything({ panels }: Monitor, { tables, histograms, logs }: Snapshot): boolean {
  return panels.some((panel) => {
    if (panel.kind === 'histogram') return histograms[panel.histogram] !== undefined;
    if (panel.kind === 'log') return logs[panel.log] !== undefined;
    return tables[panel.table] !== undefined;
  });
}

function nothingToShow({ name }: Monitor): Error {
  const text = `${name} is made of readings of /proc, and a perf.data file has none; run it on the host itself`;
  return Object.assign(new Error(text), { kind: 'host' });
}

/** What of the options was decided when the file was recorded. */
function fitted(options: Options, monitor: Monitor, facts: InputFacts): Options {
  const events =
    monitor.any_events === true && options.events === undefined && facts.tracepoints.length > 0
      ? { events: [...new Set(facts.tracepoints)].map((name) => ({ name })) }
      : {};
  const frequency = facts.frequency > 0 ? { frequency: facts.frequency } : {};
  return { ...options, ...events, ...frequency };
}

/** The native snapshot with what only this side knows: names, number, wall time, derived tables. */
function complete(
  monitor: Monitor,
  options: Options,
  seq: number,
  native: NativeSnapshot,
  facts: InputFacts,
): Snapshot {
  const tables = monitor.derive?.(native.tables, options, native.interval_ms) ?? native.tables;
  const logs =
    monitor.logs === undefined
      ? native.logs
      : { ...native.logs, ...monitor.logs(native.tables, options, native.logs) };
  return { ...native, tables, logs, monitor: monitor.name, seq, time: native.mono_ms + facts.wall_offset_ms };
}
