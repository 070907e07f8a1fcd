/** `ktop record`: snapshots to a file until the time is up or somebody ends it, with a line on how it goes. */
import { unlinkSync } from 'node:fs';
import type { Monitor, Options } from '../monitors/monitor.ts';
import { sanitise } from '../panels/sanitise.ts';
import type { Recording, RecordingState, Source, SourceMessage } from '../sources/source.ts';
import { askCapabilities } from './list.ts';
import { complain, StatusLine } from './writer.ts';

export interface RecordOptions {
  readonly file: string;
  readonly wanted: readonly { readonly monitor: Monitor; readonly options: Options }[];
  /** Leave out what this host does not give. */
  readonly standard: boolean;
  readonly duration_ms: number;
  /** Aborted when the user has had enough (SIGINT, SIGTERM). */
  readonly signal: AbortSignal;
  /** stderr is a terminal: one line, drawn over; else a line now and then. */
  readonly terminal: boolean;
}

const LINE_MS = 1000;
const LOG_MS = 60_000;
/** As far ahead as a timer is set. */
const LONGEST_MS = 86_400_000;
/** Exit codes of the contract. */
const EXIT = { usage: 2, host: 3, internal: 1 } as const;

/** Resolves to the exit code when the file is whole; failures go to stderr, one line each. */
export async function recordSnapshots(
  source: Source & { readonly recording: Recording },
  { file, wanted, standard, duration_ms, signal, terminal }: RecordOptions,
): Promise<number> {
  const chosen = standard ? await given(source, wanted) : wanted;
  if (chosen.length === 0) {
    complain('this host gives nothing to record; see ktop list for why');
    return EXIT.host;
  }
  try {
    source.recording.start(file);
  } catch (error) {
    complain((error as Error).message);
    return 1;
  }
  const tally = new Tally(source.recording, terminal);
  const due = new Map(
    chosen.map(({ monitor, options }) => [monitor.name, duration_ms / options.interval_ms]),
  );
  let code = 0;
  await new Promise<void>((resolve) => {
    const end = () => {
      cancel();
      unsubscribe();
      signal.removeEventListener('abort', end);
      resolve();
    };
    // A snapshot more than the last one in time is nobody's loss; one less would be.
    const slowest = Math.max(...chosen.map(({ options }) => options.interval_ms));
    const cancel = after(duration_ms + Math.min(slowest, 1000), end);
    const done = (monitor: string) => {
      due.delete(monitor);
      if (due.size === 0) end();
    };
    const unsubscribe = source.subscribe((message: SourceMessage) => {
      switch (message.type) {
        case 'notice':
          tally.say(message.text);
          break;
        case 'failed':
          tally.say(message.failure.text);
          code = Math.max(code, EXIT[message.failure.kind]);
          done(message.failure.monitor);
          break;
        case 'snapshot': {
          const { monitor, seq } = message.snapshot;
          tally.add(message.snapshot.events, message.snapshot.lost);
          if (seq >= Math.floor(due.get(monitor) ?? Number.POSITIVE_INFINITY)) done(monitor);
          break;
        }
        case 'recording':
          if (message.recording.error !== '') end();
          break;
      }
    });
    signal.addEventListener('abort', end);
    if (signal.aborted) end();
    else for (const { monitor, options } of chosen) source.start(monitor.name, options);
  });
  await source.recording.stop();
  return tally.close(file, code);
}

/** Calls once after `ms`, which may be longer than a timer can be set to; returns what undoes it. */
function after(ms: number, call: () => void): () => void {
  const due = performance.now() + ms;
  let timer: NodeJS.Timeout;
  const arm = () => {
    const left = due - performance.now();
    timer = left <= 0 ? setTimeout(call) : setTimeout(arm, Math.min(left, LONGEST_MS));
  };
  arm();
  return () => clearTimeout(timer);
}

/** Those of the monitors that this host gives. */
async function given(source: Source, wanted: RecordOptions['wanted']): Promise<RecordOptions['wanted']> {
  const capabilities = await askCapabilities(source);
  const missing = new Set(capabilities.filter(({ state }) => state === 'no').map(({ monitor }) => monitor));
  return wanted.filter(({ monitor }) => !missing.has(monitor.name));
}

/** What has been recorded, and how it is told. */
class Tally {
  readonly #recording: Recording;
  readonly #status: StatusLine | undefined;
  readonly #began = performance.now();
  readonly #timer: NodeJS.Timeout;
  #events = 0;
  #lost = 0;

  constructor(recording: Recording, terminal: boolean) {
    this.#recording = recording;
    this.#status = terminal ? new StatusLine() : undefined;
    this.#timer = setInterval(() => this.#line(), terminal ? LINE_MS : LOG_MS);
  }

  add(events: number, lost: number): void {
    this.#events += events;
    this.#lost += lost;
  }

  /** A line of its own. */
  say(text: string): void {
    this.#status?.clear();
    complain(text);
  }

  /** The last word. Returns the exit code; `code`: that of a recording with nothing in it. */
  close(file: string, code: number): number {
    clearInterval(this.#timer);
    const state = this.#recording.state();
    if (state.error !== '') this.say(`recording has stopped: ${state.error}`);
    if (state.snapshots === 0 && code !== 0) {
      unlinkSync(file);
      return code;
    }
    this.say(`recorded ${this.#figures(state)}; see it with ktop replay ${sanitise(file)}`);
    return state.error === '' ? 0 : 1;
  }

  #line(): void {
    const state = this.#recording.state();
    if (state.path === '') return;
    const text = `recording to ${sanitise(state.path)}: ${this.#figures(state)}`;
    if (this.#status === undefined) complain(text);
    else this.#status.draw(text);
  }

  #figures({ bytes, snapshots }: RecordingState): string {
    const lost = this.#lost === 0 ? 'none lost' : `${this.#lost} lost`;
    const counts = `${snapshots} snapshots, ${this.#events} events, ${lost}`;
    return `${elapsed(performance.now() - this.#began)}, ${size(bytes)}, ${counts}`;
  }
}

/** `1:02:03`. */
function elapsed(ms: number): string {
  const seconds = Math.round(ms / 1000);
  const two = (value: number) => String(value).padStart(2, '0');
  return `${Math.floor(seconds / 3600)}:${two(Math.floor(seconds / 60) % 60)}:${two(seconds % 60)}`;
}

function size(bytes: number): string {
  if (bytes < 1024) return `${bytes} bytes`;
  if (bytes < 1 << 20) return `${(bytes / 1024).toFixed(1)} KiB`;
  return `${(bytes / (1 << 20)).toFixed(1)} MiB`;
}
