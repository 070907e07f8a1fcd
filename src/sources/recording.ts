/** A recording as a Source: what was seen, when it was seen, at any speed. */
import type { Options } from '../monitors/monitor.ts';
import { readHost, readOptions } from '../recording/decode.ts';
import { RecordingFile } from '../recording/file.ts';
import { lastKnown } from '../recording/lead.ts';
import { MOST_MONITORS } from '../recording/limits.ts';
import { type PlayClock, Player } from '../recording/player.ts';
import { Unfit } from '../recording/shape.ts';
import { countOf } from '../recording/timeline.ts';
import type { HostInfo, Playback, Recorded, Source, SourceMessage } from './source.ts';

type Listener = (message: SourceMessage) => unknown;

/** Chunks read in search of something that the first should have. */
const MOST_READS = 16;

export interface ReplayOptions {
  /** Default 1. */
  readonly speed?: number;
  /** Play from the beginning once a monitor is started (default), or stand still there. */
  readonly playing?: boolean;
  /** What playing is paced by; default: the monotonic clock. */
  readonly clock?: PlayClock;
}

export interface RecordedSource extends Source {
  readonly recorded: readonly Recorded[];
  readonly playback: Playback;
}

/** Opens a recording. Throws `NotPlayable`, one sentence, for what is none. */
export function openRecording(path: string, options: ReplayOptions = {}): RecordedSource {
  return new RecordingSource(new RecordingFile(path), options);
}

class RecordingSource implements RecordedSource {
  readonly host: HostInfo;
  readonly recorded: readonly Recorded[];
  readonly playback: Playback;
  readonly #file: RecordingFile;
  readonly #player: Player;
  readonly #options: ReplayOptions;
  readonly #listeners = new Set<Listener>();
  #begun = false;
  #closed = false;

  constructor(file: RecordingFile, options: ReplayOptions) {
    this.#file = file;
    this.#options = options;
    this.host = hostOf(file);
    this.recorded = monitorsOf(file);
    this.#player = new Player({
      timeline: file,
      tell: (message) => this.#tell(message),
      place: () => 'file',
      caughtUp: () => false,
      ...(options.clock === undefined ? {} : { clock: options.clock }),
    });
    if (options.speed !== undefined) this.#player.setSpeed(options.speed);
    this.playback = this.#player;
  }

  /** The options are those of the recording. */
  start(monitor: string, _options: Options): void {
    if (this.#closed) return;
    if (!this.recorded.some(({ monitor: name }) => name === monitor)) {
      const names = this.recorded.map(({ monitor: name }) => name).join(', ');
      const text = `${monitor} is not in this recording; recorded were ${names}`;
      setImmediate(() => this.#tell({ type: 'failed', failure: { monitor, kind: 'host', text } }));
      return;
    }
    this.#player.want(monitor);
    if (this.#begun) return;
    this.#begun = true;
    // There is something to see at once.
    const first = firstSnapshot(this.#file, monitor);
    if (first !== undefined) this.#player.seek(first);
    if (this.#options.playing !== false) this.#player.setPlaying(true);
  }

  stop(monitor: string): void {
    this.#player.leave(monitor);
  }

  /** What the host gave when it was recorded. */
  capabilities(): void {
    const end = { chunk: this.#file.end, line: 0 };
    const known = lastKnown(this.#file, 'caps', end) ?? { type: 'capabilities', capabilities: [] };
    setImmediate(() => this.#tell(known));
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    this.#player.close();
    this.#file.close();
  }

  #tell(message: SourceMessage): void {
    if (this.#closed) return;
    for (const listener of this.#listeners) listener(message);
  }
}

/** Of the first chunk that says it; every one does. */
function hostOf(file: RecordingFile): HostInfo {
  for (let number = file.first; number < Math.min(file.end, MOST_READS); number += 1) {
    const chunk = file.chunk(number);
    const head = chunk?.lines.find(({ kind }) => kind === 'head');
    const host = head === undefined ? undefined : fitting(() => readHost(chunk?.members(head).host));
    if (host !== undefined) return host;
  }
  return { host: '?', kernel: '?', cpus: 0, boot_time: 0 };
}

/** In the order they were opened. */
function monitorsOf(file: RecordingFile): readonly Recorded[] {
  const found = new Map<string, Recorded>();
  const counted = new Set<string>();
  for (let number = file.first; number < file.end && counted.size < MOST_MONITORS; number += 1) {
    const fresh = Object.keys(file.span(number).counts).filter((name) => !counted.has(name));
    if (fresh.length === 0 && number > file.first) continue;
    for (const name of fresh) counted.add(name);
    const chunk = file.chunk(number);
    for (const line of chunk?.lines ?? []) {
      const { kind, monitor } = line;
      if ((kind !== 'open' && kind !== 'tab') || found.has(monitor) || found.size >= MOST_MONITORS) continue;
      const options = fitting(() => readOptions(chunk?.members(line).options));
      if (options !== undefined) found.set(monitor, { monitor, options });
    }
  }
  // Of which no more is known than that there are snapshots.
  for (const monitor of counted)
    if (!found.has(monitor)) found.set(monitor, { monitor, options: { interval_ms: 1000 } });
  return [...found.values()];
}

function firstSnapshot(file: RecordingFile, monitor: string): number | undefined {
  let reads = 0;
  for (let number = file.first; number < file.end && reads < MOST_READS; number += 1) {
    if (countOf(file.span(number), monitor) === 0) continue;
    reads += 1;
    const line = file.chunk(number)?.lines.find(({ kind, monitor: of }) => kind === 'snap' && of === monitor);
    if (line !== undefined) return line.time;
  }
  return undefined;
}

function fitting<Value>(read: () => Value): Value | undefined {
  try {
    return read();
  } catch (error) {
    if (error instanceof Unfit) return undefined;
    throw error;
  }
}
