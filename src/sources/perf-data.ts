/** A perf.data file as a Source: read once through, as fast as it is listened to. */
import { Worker } from 'node:worker_threads';
import type { Options } from '../monitors/monitor.ts';
import type { FromReader, InputFacts, ReaderData, ToReader } from '../worker/protocol.ts';
import type { Snapshot } from './snapshot.ts';
import type { HostInfo, Source, SourceMessage } from './source.ts';

/** Longest wait for the reader to close, so that quitting never hangs. */
const CLOSE_MS = 2000;

export interface PerfDataSettings {
  readonly path: string;
  /** Module of the reader thread. */
  readonly entry: URL;
  /** Path of the native addon. */
  readonly addon: string;
}

/** Why a file cannot be opened: one sentence with the cause, then the remedy. */
export class NotReadable extends Error {}

/** A listener may return a promise: the file is read on when it has settled. */
type Listener = (message: SourceMessage) => unknown;

/** Resolves when the file has said what it is. Rejects with `NotReadable`. */
export async function openPerfData(settings: PerfDataSettings): Promise<Source> {
  const { path, entry, addon } = settings;
  const workerData: ReaderData = { addon, settings: { load: false, input: path }, life: 0 };
  const worker = new Worker(entry, { workerData, name: 'ktop-reader' });
  const facts = await firstWord(worker, path).catch(async (error: unknown) => {
    await worker.terminate();
    throw error;
  });
  return new PerfDataSource(worker, path, facts);
}

/** What the file says of itself, as soon as it has been opened. */
function firstWord(worker: Worker, path: string): Promise<InputFacts> {
  const { promise, resolve, reject } = Promise.withResolvers<InputFacts>();
  const said = (message: FromReader) => {
    if (message.type === 'input') resolve(message.facts);
    else
      reject(
        new NotReadable(message.type === 'failed' ? message.failure.text : died(path, 'it said nothing')),
      );
  };
  const failed = (error: unknown) => reject(new NotReadable(died(path, error)));
  const exited = (code: number) => failed(`exit code ${code}`);
  worker.on('message', said).on('error', failed).on('exit', exited);
  return promise.finally(() => worker.off('message', said).off('error', failed).off('exit', exited));
}

const died = (path: string, error: unknown): string =>
  `the reader of ${path} died (${error instanceof Error ? error.message : String(error)}); please report it with the file`;

class PerfDataSource implements Source {
  readonly host: HostInfo;
  readonly #worker: Worker;
  readonly #listeners = new Set<Listener>();
  /** The run of each monitor that is open. */
  readonly #open = new Map<string, number>();
  #runs = 0;
  #closing: { readonly promise: Promise<void>; readonly done: () => void } | undefined;
  #dead = '';

  constructor(worker: Worker, path: string, facts: InputFacts) {
    this.#worker = worker;
    this.host = hostOf(facts);
    let cause: unknown;
    worker.on('message', (message: FromReader) => this.#receive(message));
    worker.on('error', (error) => {
      cause = error;
    });
    worker.on('exit', (code) => this.#exited(died(path, cause ?? `exit code ${code}`)));
  }

  start(monitor: string, options: Options): void {
    if (this.#closing !== undefined) return;
    const run = ++this.#runs;
    this.#open.set(monitor, run);
    if (this.#dead === '') this.#send({ type: 'start', monitor, options, run });
    else setImmediate(() => this.#fail(monitor));
  }

  stop(monitor: string): void {
    this.#open.delete(monitor);
    this.#send({ type: 'stop', monitor });
  }

  capabilities(): void {
    if (this.#dead === '') this.#send({ type: 'capabilities' });
    else setImmediate(() => this.#fail(''));
  }

  subscribe(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when the file is closed, at the latest after 2 s. */
  close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing.promise;
    const { promise, resolve } = Promise.withResolvers<void>();
    const timer = setTimeout(() => {
      void this.#worker.terminate();
      resolve();
    }, CLOSE_MS);
    const done = () => {
      clearTimeout(timer);
      resolve();
    };
    this.#closing = { promise, done };
    this.#open.clear();
    if (this.#dead === '') this.#send({ type: 'close' });
    else done();
    return promise;
  }

  #send(message: ToReader): void {
    if (this.#dead === '') this.#worker.postMessage(message);
  }

  #receive(message: FromReader): void {
    if (message.type === 'closed') this.#closing?.done();
    if (message.type === 'closed' || message.type === 'input' || this.#closing !== undefined) return;
    if (message.type === 'failed') this.#open.delete(message.failure.monitor);
    if (message.type === 'read') this.#read(message.monitor, message.run, message.snapshot);
    else this.#tell(message);
  }

  #read(monitor: string, run: number, snapshot: Snapshot | undefined): void {
    // What was on its way when the monitor was stopped, or started anew.
    if (this.#open.get(monitor) !== run) return;
    if (snapshot === undefined) {
      this.#open.delete(monitor);
      this.#tell({ type: 'ended', monitor });
      return;
    }
    const pending = this.#tell({ type: 'snapshot', snapshot }).filter((result) => result instanceof Promise);
    if (pending.length === 0) this.#send({ type: 'taken', monitor, run });
    else void Promise.allSettled(pending).then(() => this.#send({ type: 'taken', monitor, run }));
  }

  #tell(message: SourceMessage): unknown[] {
    return [...this.#listeners].map((listener) => listener(message));
  }

  /** A file that kills its reader would kill the next one too: it is not started again. */
  #exited(cause: string): void {
    this.#dead = cause;
    this.#closing?.done();
    for (const monitor of [...this.#open.keys()]) this.#fail(monitor);
  }

  #fail(monitor: string): void {
    this.#open.delete(monitor);
    const failure = { monitor, kind: 'internal', text: this.#dead } as const;
    this.#tell({ type: 'failed', failure });
  }
}

function hostOf({ host, kernel, cpus, since_boot, wall_offset_ms }: InputFacts): HostInfo {
  const boot_time = since_boot ? wall_offset_ms : 0;
  return { host: host === '' ? '?' : host, kernel: kernel === '' ? '?' : kernel, cpus, boot_time };
}
