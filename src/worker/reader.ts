/**
 * The reader: opens monitors on demand and posts what they saw, once per interval.
 * It runs in the reader thread; `post` and `load` are all it knows of the world around it.
 */
import { release } from 'node:os';
import { DEFAULT_BUDGET_PCT, type Monitor, type Options } from '../monitors/monitor.ts';
import { markScaled, type Shed, type Snapshot } from '../sources/snapshot.ts';
import type { Addon, NativeSnapshot } from './addon.ts';
import { checkAll } from './capabilities.ts';
import { examine } from './doctor/doctor.ts';
import { realFiles } from './doctor/files.ts';
import { failureOf } from './failure.ts';
import type { FromReader, ReaderSettings, ToReader } from './protocol.ts';
import { Ticker } from './ticker.ts';
import { buffersOf } from './transfer.ts';

interface Open {
  readonly monitor: Monitor;
  readonly handle: number;
  readonly plan: string;
  readonly notes: readonly string[];
  readonly ticker: Ticker;
  options: Options;
  seq: number;
  /** The last snapshot is still with the receiver: another must wait, or a slow one would be flooded. */
  waiting: boolean;
  /** Whether no more will come, which is said once the last snapshot has been taken. */
  end: 'no' | 'to be said' | 'said';
  /** A tick passed while waiting. */
  overdue: boolean;
  /** What was said last of load that is shed. */
  shed: string;
}

export class Reader {
  readonly #load: () => Addon;
  readonly #monitors: readonly Monitor[];
  readonly #settings: ReaderSettings;
  readonly #post: (message: FromReader, transfer?: readonly ArrayBuffer[]) => void;
  readonly #open = new Map<string, Open>();
  #addon: Addon | undefined;

  /** `load` is called at the first command that needs the addon; what it throws becomes the monitor's failure. */
  constructor(
    load: () => Addon,
    monitors: readonly Monitor[],
    settings: ReaderSettings,
    post: (message: FromReader, transfer?: readonly ArrayBuffer[]) => void,
  ) {
    this.#load = load;
    this.#monitors = monitors;
    this.#settings = settings;
    this.#post = post;
  }

  handle(message: ToReader): void {
    switch (message.type) {
      case 'start':
        this.#start(message.monitor, message.options);
        break;
      case 'stop':
        this.#stop(message.monitor);
        break;
      case 'taken':
        this.#taken(message.monitor);
        break;
      case 'capabilities':
        this.#capabilities();
        break;
      case 'examine':
        this.#examine();
        break;
      case 'close':
        this.#close();
        break;
    }
  }

  #start(name: string, options: Options): void {
    try {
      const monitor = this.#monitors.find((candidate) => candidate.name === name);
      if (monitor === undefined) throw Object.assign(new Error(`no monitor "${name}"`), { kind: 'usage' });
      const plan = { ...monitor.plan(options), budget_pct: options.budget_pct ?? DEFAULT_BUDGET_PCT };
      const text = JSON.stringify(plan);
      const open = this.#open.get(name);
      if (open !== undefined && open.plan === text) {
        open.options = options;
        open.ticker.interval = options.interval_ms;
        return;
      }
      const addon = this.#loaded();
      if (open !== undefined) this.#stop(name);
      const handle = addon.open(plan);
      const ticker = new Ticker(options.interval_ms, () => this.#tick(name));
      this.#open.set(name, {
        monitor,
        handle,
        plan: text,
        notes: plan.notes ?? [],
        ticker,
        options,
        seq: 0,
        waiting: false,
        overdue: false,
        end: 'no',
        shed: '',
      });
      ticker.start(Math.min(options.interval_ms, this.#settings.first_ms ?? options.interval_ms));
    } catch (error) {
      this.#post({ type: 'failed', failure: failureOf(name, error) });
    }
  }

  #stop(name: string): void {
    const open = this.#open.get(name);
    if (open === undefined) return;
    open.ticker.stop();
    this.#open.delete(name);
    try {
      this.#addon?.close(open.handle);
    } catch (error) {
      this.#post({ type: 'notice', text: `closing ${name}: ${failureOf(name, error).text}` });
    }
  }

  #tick(name: string): void {
    const open = this.#open.get(name);
    if (open === undefined) return;
    if (open.waiting) open.overdue = true;
    else this.#snapshot(open);
  }

  #taken(name: string): void {
    const open = this.#open.get(name);
    if (open === undefined) return;
    open.waiting = false;
    if (open.end === 'to be said') {
      open.end = 'said';
      this.#post({ type: 'ended', monitor: name });
    }
    if (!open.overdue) return;
    open.overdue = false;
    this.#snapshot(open);
  }

  #snapshot(open: Open): void {
    const { monitor, options } = open;
    try {
      const { ended = false, ...native } = this.#loaded().snapshot(open.handle);
      open.seq += 1;
      const all = { ...native, notes: [...open.notes, ...native.notes] };
      const snapshot = complete(monitor, options, open.seq, all);
      open.waiting = true;
      this.#post({ type: 'snapshot', snapshot }, buffersOf(snapshot));
      this.#tellShed(open, native.shed);
      if (ended && open.end === 'no') open.end = 'to be said';
      const eased = monitor.ease?.(native, options);
      if (eased !== undefined) {
        if (eased.notice !== undefined)
          this.#post({ type: 'notice', text: `${monitor.name}: ${eased.notice}` });
        this.#start(monitor.name, eased.options);
      }
    } catch (error) {
      this.#stop(monitor.name);
      this.#post({ type: 'failed', failure: failureOf(monitor.name, error) });
    }
  }

  /** A change of what is left out is news; that it goes on is said by the notes. */
  #tellShed(open: Open, shed: Shed | undefined): void {
    const text = shed?.text ?? '';
    if (text !== '' && text !== open.shed)
      this.#post({ type: 'notice', text: `${open.monitor.name}: ${text}` });
    open.shed = text;
  }

  #capabilities(): void {
    let capabilities: ReturnType<typeof checkAll>;
    try {
      const addon = this.#loaded();
      capabilities = checkAll(
        (plan) => addon.check(plan),
        this.#monitors,
        () => ({ interval_ms: 1000 }),
      );
    } catch (error) {
      const why = failureOf('', error).text;
      capabilities = this.#monitors.map(({ name }) => ({
        monitor: name,
        state: 'no',
        needs: [],
        backend: '',
        why,
        remedy: '',
      }));
    }
    this.#post({ type: 'capabilities', capabilities });
  }

  #examine(): void {
    try {
      const addon = this.#loaded();
      const { tracefs } = addon.probe(true);
      const findings = examine({ addon, files: realFiles, tracefs, release: release() });
      this.#post({ type: 'findings', findings });
    } catch (error) {
      this.#post({ type: 'failed', failure: failureOf('', error) });
    }
  }

  #close(): void {
    for (const name of [...this.#open.keys()]) this.#stop(name);
    try {
      this.#addon?.finish();
    } catch (error) {
      this.#post({ type: 'notice', text: `closing: ${failureOf('', error).text}` });
    }
    this.#post({ type: 'closed' });
  }

  #loaded(): Addon {
    if (this.#addon === undefined) {
      const addon = this.#load();
      const probe = addon.probe(true);
      this.#addon = addon;
      if (probe.mounted)
        this.#post({ type: 'notice', text: `tracefs was not mounted; ktop mounted it on ${probe.tracefs}` });
    }
    return this.#addon;
  }
}

/** The native snapshot with what only this side knows: names, number, wall time, derived tables. */
function complete(monitor: Monitor, options: Options, seq: number, native: NativeSnapshot): Snapshot {
  const given = markScaled(native.tables, native.shed);
  const tables = markScaled(monitor.derive?.(given, options, native.interval_ms) ?? given, native.shed);
  const logs =
    monitor.logs === undefined
      ? native.logs
      : { ...native.logs, ...monitor.logs(given, options, native.logs) };
  // The moment of `mono_ms`: what came after it (rendering, deriving, waiting for a CPU) would shift every log entry.
  const since_ms = Number(process.hrtime.bigint()) / 1e6 - native.mono_ms;
  return { ...native, tables, logs, monitor: monitor.name, seq, time: Date.now() - since_ms };
}
