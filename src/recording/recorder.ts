/**
 * What a source says, as chunks of text: each begins with how everything stands, then tells what happens, so that any
 * chunk can be read without the others. Sinks get the frames as they grow, the history gets them when they are whole.
 */
import type { Monitor, Options } from '../monitors/monitor.ts';
import type { Snapshot } from '../sources/snapshot.ts';
import type { HostInfo, SourceMessage, Totals } from '../sources/source.ts';
import { CLOCKS, type Clocks, timeLine } from './clock.ts';
import { isWithinBounds, type Kind, keyLine, NAME, plainLine, snapLine, snapshotBody } from './encode.ts';
import { GrowingChunk, type Kept, type Later, type Sink } from './growing.ts';
import { CHUNK_BYTES, CHUNK_MS, FORMAT, MOST_KEY, MOST_LINE } from './limits.ts';
import { marksOf } from './marks.ts';

export interface RecorderOptions {
  readonly host: HostInfo;
  /** Of ktop. */
  readonly version: string;
  /** Says which logs are of incidents. */
  readonly monitors: readonly Monitor[];
  /** Gets every chunk as soon as it is over; its content changes when it has been compressed. */
  readonly keep?: (chunk: Kept) => void;
  readonly clocks?: Clocks;
  /** When a chunk is full: ms of age, bytes of text. */
  readonly chunk?: { readonly ms: number; readonly bytes: number };
}

/** What is known of a monitor. */
interface Tab {
  open: boolean;
  options: Options;
  totals: Totals;
  failure: { readonly kind: string; readonly text: string } | undefined;
  last: { readonly at: number; readonly body: string; readonly logs: Snapshot['logs'] } | undefined;
  losing: boolean;
  /** Its last snapshot was too large, which has been said. */
  refused: boolean;
}

/** A line is its body and who and when. */
const MOST_BODY = MOST_LINE - 200;

const NOTHING: Totals = { lost: 0, late: 0, unseen: 0 };

export class Recorder {
  readonly #options: RecorderOptions;
  readonly #now: (moment?: number) => number;
  readonly #steady: () => number;
  readonly #chunk: { readonly ms: number; readonly bytes: number };
  readonly #tabs = new Map<string, Tab>();
  readonly #sinks = new Set<Sink>();
  #capabilities: string | undefined;
  #load: string | undefined;
  #growing: GrowingChunk | undefined;
  /** When that was begun, on the monotonic clock. */
  #begun = 0;
  /** Compressing goes on in other threads; what is handed on keeps its order. */
  #queue: Promise<void> = Promise.resolve();

  constructor(options: RecorderOptions) {
    this.#options = options;
    const clocks = options.clocks ?? CLOCKS;
    this.#now = timeLine(clocks);
    this.#steady = clocks.steady;
    this.#chunk = options.chunk ?? { ms: CHUNK_MS, bytes: CHUNK_BYTES };
  }

  opened(monitor: string, options: Options): void {
    if (!NAME.test(monitor)) throw new Error(`a monitor cannot be called ${JSON.stringify(monitor)}`);
    const tab = this.#tab(monitor, options);
    tab.open = true;
    tab.options = options;
    tab.failure = undefined;
    this.#happen('open', monitor, { options });
  }

  closed(monitor: string): void {
    const tab = this.#tabs.get(monitor);
    if (tab === undefined || !tab.open) return;
    tab.open = false;
    this.#happen('close', monitor, {});
  }

  /** What concerns the source alone is not recorded. */
  take(message: SourceMessage): void {
    switch (message.type) {
      case 'snapshot':
        this.#snapshot(message.snapshot);
        break;
      case 'load':
        this.#load = JSON.stringify(message.load);
        this.#happen('load', '', { load: message.load });
        break;
      case 'failed': {
        const { monitor, kind, text } = message.failure;
        const tab = this.#tabs.get(monitor);
        if (tab !== undefined) {
          tab.failure = { kind, text };
          tab.open = false;
        }
        this.#happen('fail', monitor, { failure: { kind, text } });
        break;
      }
      case 'notice':
        this.#happen('note', '', { text: message.text });
        break;
      case 'capabilities':
        this.#capabilities = JSON.stringify(message.capabilities);
        this.#happen('caps', '', { capabilities: message.capabilities });
        break;
    }
  }

  /** Resolves when sinks have everything so far. */
  async flush(): Promise<void> {
    this.#growing?.flush();
    await this.#queue;
  }

  /** From a new chunk on, `sink` gets everything. */
  attach(sink: Sink): void {
    this.#seal();
    this.#sinks.add(sink);
    this.#current();
  }

  /** Resolves when `sink` has all it will get. */
  async detach(sink: Sink): Promise<void> {
    if (this.#sinks.delete(sink)) this.#seal();
    await this.#queue;
  }

  /** The chunk being written, if there is one. */
  get growing(): GrowingChunk | undefined {
    return this.#growing;
  }

  #tab(monitor: string, options: Options): Tab {
    const known = this.#tabs.get(monitor);
    if (known !== undefined) return known;
    const tab: Tab = {
      open: false,
      options,
      totals: NOTHING,
      failure: undefined,
      last: undefined,
      losing: false,
      refused: false,
    };
    this.#tabs.set(monitor, tab);
    return tab;
  }

  #snapshot(snapshot: Snapshot): void {
    const { monitor, lost, late, unseen } = snapshot;
    const tab = this.#tab(monitor, { interval_ms: 1000 });
    const body = isWithinBounds(snapshot) ? snapshotBody(snapshot) : undefined;
    if (body === undefined || (body.length > MOST_BODY / 3 && Buffer.byteLength(body) > MOST_BODY)) {
      if (!tab.refused)
        this.#happen('note', '', { text: `${monitor} shows too much to be recorded; have it show less` });
      tab.refused = true;
      return;
    }
    tab.refused = false;
    const growing = this.#room(snapshot.time);
    const time = this.#now(snapshot.time);
    growing.writeSnapshot(snapLine(time, monitor, body), time, monitor);
    const before = { logs: tab.last?.logs ?? {}, losing: tab.losing, given: growing.marks.length };
    for (const mark of marksOf(snapshot, this.#options.monitors, before, time)) growing.mark(mark);
    const { totals } = tab;
    tab.totals = {
      lost: totals.lost + lost,
      late: totals.late + late,
      unseen: totals.unseen + unseen,
    };
    tab.losing = lost > 0;
    tab.failure = undefined;
    tab.last = { at: time, body, logs: snapshot.logs };
  }

  #happen(kind: Kind, monitor: string, members: Record<string, unknown>): void {
    const growing = this.#room();
    const time = this.#now();
    growing.write(plainLine(kind, time, monitor, members), time);
  }

  /** The chunk to write to: a new one when that before is full. `moment`: when what is to be written happened. */
  #room(moment?: number): GrowingChunk {
    const growing = this.#current(moment);
    const { ms, bytes } = this.#chunk;
    if (this.#steady() - this.#begun < ms && !growing.isFull(bytes)) return growing;
    this.#seal();
    return this.#current(moment);
  }

  #current(moment?: number): GrowingChunk {
    if (this.#growing === undefined) {
      const from = this.#now(moment);
      this.#begun = this.#steady();
      this.#growing = new GrowingChunk(from, this.#standing(from), [...this.#sinks], this.#later);
    }
    return this.#growing;
  }

  #seal(): void {
    const kept = this.#growing?.seal();
    this.#growing = undefined;
    if (kept !== undefined) this.#options.keep?.(kept);
  }

  /** The lines that open a chunk. */
  #standing(time: number): string[] {
    const { host, version } = this.#options;
    const lines = [plainLine('head', time, '', { ktop: version, format: FORMAT, host })];
    if (this.#capabilities !== undefined)
      lines.push(plainLine('caps', time, '', { capabilities: JSON.parse(this.#capabilities) }));
    if (this.#load !== undefined) lines.push(plainLine('load', time, '', { load: JSON.parse(this.#load) }));
    let bytes = 0;
    for (const [monitor, { open, options, totals, failure, last }] of this.#tabs) {
      lines.push(plainLine('tab', time, monitor, { open, options, totals, failure }));
      if (last === undefined || bytes + last.body.length > MOST_KEY) continue;
      lines.push(keyLine(time, monitor, last.at, last.body));
      bytes += last.body.length;
    }
    return lines;
  }

  /** What fails leaves a chunk without its end in a file, which its reader says, and text in the history. */
  readonly #later: Later = (task) => {
    this.#queue = this.#queue.then(task).catch(() => {});
  };
}
