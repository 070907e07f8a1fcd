/** Snapshots of one monitor to stdout, one text per interval. */
import type { Monitor, Options } from '../monitors/monitor.ts';
import type { Snapshot } from '../sources/snapshot.ts';
import type { Source, SourceMessage } from '../sources/source.ts';
import { jsonLine } from './json.ts';
import { lineText, plainText } from './plain.ts';
import { complain, type Writer } from './writer.ts';

/** A command that waits to be watched. */
export interface Watched {
  /** Lets it run. */
  begin(): void;
  /** Its exit code, as a shell has it. */
  readonly ended: Promise<number>;
}

/** Asked now and then: undefined = as it is; else what to go on with, or what to end with. */
export type Later = () => Changed | undefined;
export interface Changed {
  /** One sentence. */
  readonly text: string;
  readonly options?: Options;
  /** Without `options`: the exit code. */
  readonly code: number;
}

export interface StreamOptions {
  readonly format: 'json' | 'plain';
  readonly monitor: Monitor;
  readonly options: Options;
  /** Intervals to write. */
  readonly count: number;
  /** Aborted when the user has had enough (SIGINT, SIGTERM): not an error. */
  readonly signal: AbortSignal;
  /** Begins when the monitor is open; its end is the end. */
  readonly watched?: Watched | undefined;
  /** Asked after each picture. */
  readonly later?: Later | undefined;
}

/** From the end of a command on: how soon pictures come, and from which on nothing of it is missing. */
const LAST_PICTURES_MS = 100;
const LAST_MS = 150;

/**
 * Runs until `count` intervals are written, there are no more, the reader of stdout has gone, the signal comes or the monitor fails.
 * Resolves to the exit code when the monitor is stopped; failures and notices go to stderr, one line each.
 */
export function streamSnapshots(source: Source, writer: Writer, wanted: StreamOptions): Promise<number> {
  const { format, monitor, options, count, signal, watched, later } = wanted;
  const how = format === 'json' ? 'all' : (monitor.plain?.(options) ?? 'all');
  const lines = lineText(monitor);
  const encode: (snapshot: Snapshot) => string =
    format === 'json'
      ? (snapshot) => jsonLine(monitor, snapshot)
      : how === 'lines'
        ? lines
        : (snapshot) => plainText(monitor, snapshot);

  return new Promise((resolve) => {
    let written = 0;
    let ended = false;
    let last: Snapshot | undefined;
    /** The command has ended: when, and how. */
    let over: { readonly mono_ms: number; readonly code: number } | undefined;
    const end = async (code: number) => {
      if (ended) return;
      ended = true;
      unsubscribe();
      signal.removeEventListener('abort', stopped);
      source.stop(monitor.name);
      if (how === 'last' && last !== undefined && code !== 1) await put(last);
      resolve(code);
    };
    const stopped = () => void end(0);
    const put = async (snapshot: Snapshot): Promise<boolean> => {
      try {
        return (await writer.write(encode(snapshot))) !== 'gone';
      } catch (error) {
        complain(
          `cannot write: ${error instanceof Error ? error.message : String(error)}; free some space or write elsewhere`,
        );
        void end(1);
        return true;
      }
    };
    const write = async (snapshot: Snapshot) => {
      if (written === 0) begin();
      written += 1;
      last = snapshot;
      const heard = how === 'last' || (await put(snapshot));
      if (!heard || written >= count) void end(0);
      if (over !== undefined && snapshot.mono_ms >= over.mono_ms + LAST_MS) void end(over.code);
      const next = ended ? undefined : later?.();
      if (next === undefined) return;
      complain(next.text);
      if (next.options === undefined) void end(next.code);
      else source.start(monitor.name, next.options);
    };
    const begin = () => {
      if (watched === undefined) return;
      watched.begin();
      void watched.ended.then((code) => {
        over = { mono_ms: Number(process.hrtime.bigint()) / 1e6, code };
        if (!ended) source.start(monitor.name, { ...options, interval_ms: LAST_PICTURES_MS });
      });
    };
    // The promise returned for a snapshot holds back the next one: a slow reader makes intervals longer, loses none.
    const unsubscribe = source.subscribe((message: SourceMessage) => {
      if (message.type === 'notice') complain(message.text);
      if (message.type === 'failed' && message.failure.monitor === monitor.name) {
        complain(message.failure.text);
        void end(EXIT[message.failure.kind]);
      }
      if (message.type === 'ended' && message.monitor === monitor.name) void end(0);
      return message.type === 'snapshot' && message.snapshot.monitor === monitor.name
        ? write(message.snapshot)
        : undefined;
    });
    signal.addEventListener('abort', stopped);
    if (signal.aborted) stopped();
    else source.start(monitor.name, options);
  });
}

/** Exit codes of the contract. */
const EXIT = { usage: 2, host: 3, internal: 1 } as const;
