/** This kernel, live: the main thread's side of the reader thread. */
import { Worker } from 'node:worker_threads';
import type { Options } from '../monitors/monitor.ts';
import type { FromReader, ReaderData, ReaderSettings, ToReader } from '../worker/protocol.ts';
import { thisHost } from './host.ts';
import type { Source, SourceMessage } from './source.ts';

/** Longest wait for the kernel side to close, so that quitting never hangs. */
const CLOSE_MS = 2000;
/** A thread that dies this often is not started again. */
const LIVES = 2;

export interface LiveSettings extends ReaderSettings {
  /** Module of the reader thread. */
  readonly entry: URL;
  /** Path of the native addon. */
  readonly addon: string;
}

/** A listener may return a promise: the next snapshot of that monitor is taken when it has settled. */
type Listener = (message: SourceMessage) => unknown;

/**
 * The reader thread starts with the first listener or request; nothing is open in the kernel until `start`.
 * When the thread dies it is replaced once and the open monitors are opened again, with a notice;
 * the second time they fail.
 */
export function openLive(settings: LiveSettings): Source {
  return new LiveSource(settings);
}

class LiveSource implements Source {
  readonly host = thisHost();
  readonly #settings: LiveSettings;
  readonly #listeners = new Set<Listener>();
  readonly #open = new Map<string, Options>();
  #worker: Worker | undefined;
  #deaths = 0;
  #cause = '';
  /** A `capabilities` message is owed. */
  #asked = false;
  #closing: { readonly promise: Promise<void>; readonly done: () => void } | undefined;

  constructor(settings: LiveSettings) {
    this.#settings = settings;
  }

  start(monitor: string, options: Options): void {
    if (this.#closing !== undefined) return;
    this.#spawnFirst();
    if (this.#worker === undefined) {
      this.#fail(monitor);
      return;
    }
    this.#open.set(monitor, options);
    this.#send({ type: 'start', monitor, options });
  }

  stop(monitor: string): void {
    this.#open.delete(monitor);
    this.#send({ type: 'stop', monitor });
  }

  capabilities(): void {
    if (this.#closing !== undefined) return;
    this.#spawnFirst();
    if (this.#worker === undefined) {
      this.#fail('');
      return;
    }
    this.#asked = true;
    this.#send({ type: 'capabilities' });
  }

  examine(): void {
    if (this.#closing !== undefined) return;
    this.#spawnFirst();
    if (this.#worker === undefined) this.#fail('');
    else this.#send({ type: 'examine' });
  }

  subscribe(listener: Listener): () => void {
    if (this.#closing === undefined) this.#spawnFirst();
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Resolves when the kernel side is closed, at the latest after 2 s. */
  close(): Promise<void> {
    if (this.#closing !== undefined) return this.#closing.promise;
    const { promise, resolve } = Promise.withResolvers<void>();
    const worker = this.#worker;
    const timer = setTimeout(() => {
      void worker?.terminate();
      resolve();
    }, CLOSE_MS);
    this.#closing = {
      promise,
      done: () => {
        clearTimeout(timer);
        resolve();
      },
    };
    this.#open.clear();
    if (worker === undefined) this.#closing.done();
    else this.#send({ type: 'close' });
    return promise;
  }

  #spawnFirst(): void {
    if (this.#worker === undefined && this.#deaths === 0) this.#spawn();
  }

  #spawn(): void {
    const { entry, addon, first_ms, load, custom = [] } = this.#settings;
    const base = first_ms === undefined ? { load, custom } : { load, first_ms, custom };
    const workerData: ReaderData = { addon, settings: base, life: this.#deaths };
    const worker = new Worker(entry, { workerData, name: 'ktop-reader' });
    let reason = '';
    worker.on('message', (message: FromReader) => this.#receive(message));
    worker.on('error', (error) => {
      reason = error instanceof Error ? error.message : String(error);
    });
    worker.on('exit', (code) => this.#exited(worker, reason === '' ? `exit code ${code}` : reason));
    this.#worker = worker;
  }

  #send(message: ToReader): void {
    this.#worker?.postMessage(message);
  }

  #receive(message: FromReader): void {
    if (message.type === 'closed') this.#closing?.done();
    if (message.type === 'closed' || this.#closing !== undefined) return;
    // Nothing is said of a file here.
    if (message.type === 'input' || message.type === 'read') return;
    if (message.type === 'capabilities') this.#asked = false;
    if (message.type === 'failed') this.#open.delete(message.failure.monitor);
    // What was on its way when the monitor was stopped.
    if (message.type === 'snapshot' && !this.#open.has(message.snapshot.monitor)) return;
    const results = this.#tell(message);
    if (message.type !== 'snapshot') return;
    const monitor = message.snapshot.monitor;
    const pending = results.filter((result) => result instanceof Promise);
    if (pending.length === 0) this.#send({ type: 'taken', monitor });
    else void Promise.allSettled(pending).then(() => this.#send({ type: 'taken', monitor }));
  }

  #tell(message: SourceMessage): unknown[] {
    return [...this.#listeners].map((listener) => listener(message));
  }

  #exited(worker: Worker, reason: string): void {
    if (worker !== this.#worker) return;
    this.#worker = undefined;
    this.#closing?.done();
    if (this.#closing !== undefined) return;
    this.#deaths += 1;
    this.#cause = reason;
    if (this.#deaths >= LIVES) {
      for (const monitor of [...this.#open.keys(), ...(this.#asked ? [''] : [])]) this.#fail(monitor);
      return;
    }
    this.#tell({ type: 'notice', text: `the reader thread died (${reason}); restarted` });
    this.#spawn();
    for (const [monitor, options] of this.#open) this.#send({ type: 'start', monitor, options });
    if (this.#asked) this.#send({ type: 'capabilities' });
  }

  /** `''` stands for no monitor in particular. */
  #fail(monitor: string): void {
    this.#open.delete(monitor);
    const text = `the reader thread died ${this.#deaths} times (${this.#cause}); start ktop again, and report it if it persists`;
    this.#tell({ type: 'failed', failure: { monitor, kind: 'internal', text } });
  }
}
