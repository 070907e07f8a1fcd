/** A vmcore as a Source: the sections of its report are the tabs. Read by a thread, so that the screen never waits. */
import { Worker } from 'node:worker_threads';
import type { Options } from '../monitors/monitor.ts';
import type { Report, SectionName } from '../vmcore/report.ts';
import { linesOf } from '../vmcore/screen/lines.ts';
import { hostOf, outputPicture, pictureOf } from '../vmcore/screen/pictures.ts';
import type { CoreThreadData, FromCore, ToCore } from '../vmcore/screen/protocol.ts';
import { CRASH, OVERVIEW, tabOf } from '../vmcore/screen/tabs.ts';
import type { LogEntry } from './snapshot.ts';
import type { CommandLine, HostInfo, Source, SourceMessage } from './source.ts';

type Listener = (message: SourceMessage) => unknown;

export interface CoreSettings extends CoreThreadData {
  /** Module of the thread. */
  readonly entry: URL;
  /** All sections' names, in any order. */
  readonly sections: readonly SectionName[];
}

const CLOSE_MS = 2000;
/** A screen that says that it waits is better than none. */
const BEGIN_MS = 400;
/** Lines of output kept. */
const MOST_LINES = 20_000;

/** Resolves when there is something to show, the file's host and kernel with it, or after a moment. */
export async function openCoreSource(settings: CoreSettings): Promise<Source> {
  const source = new CoreSource(settings);
  await Promise.race([source.begun, new Promise((resolve) => setTimeout(resolve, BEGIN_MS).unref())]);
  return source;
}

class CoreSource implements Source {
  host: HostInfo;
  readonly still = true;
  readonly commands: CommandLine;
  /** The first report, or the end of the thread. */
  readonly begun: Promise<void>;
  readonly #settings: CoreSettings;
  readonly #listeners = new Set<Listener>();
  readonly #shown = new Map<string, number>();
  readonly #sectionOf: ReadonlyMap<string, SectionName>;
  readonly #output: LogEntry[] = [];
  #worker: Worker | undefined;
  #report: Report | undefined;
  /** What is still to come for it. */
  #pending: string | undefined;
  #failure = '';
  #asked = 0;
  #answered = 0;
  /** Since the last answer. */
  #interrupted = false;
  #begin: () => void;
  #closed: (() => void) | undefined;

  constructor(settings: CoreSettings) {
    this.#settings = settings;
    this.#sectionOf = new Map(settings.sections.map((section) => [tabOf(section), section]));
    this.host = { host: settings.path.split('/').at(-1) ?? '', kernel: '?', cpus: 0, boot_time: 0 };
    this.commands = {
      tab: CRASH,
      prompt: 'crash>',
      run: (text) => this.#run(text),
      interrupt: () => this.#interrupt(),
    };
    const { promise, resolve } = Promise.withResolvers<void>();
    this.begun = promise;
    this.#begin = resolve;
    this.#spawn();
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

  /** Resolves when the thread has ended, at the latest after 2 s. */
  async close(): Promise<void> {
    const worker = this.#worker;
    if (worker === undefined) return;
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#closed = resolve;
    const timer = setTimeout(resolve, CLOSE_MS);
    this.#send({ type: 'close' });
    await promise;
    clearTimeout(timer);
    await worker.terminate();
  }

  #spawn(): void {
    const { path, vmlinux, cache } = this.#settings;
    const workerData: CoreThreadData = {
      path,
      ...(vmlinux === undefined ? {} : { vmlinux }),
      ...(cache === undefined ? {} : { cache }),
    };
    const worker = new Worker(this.#settings.entry, { workerData, name: 'ktop-core' });
    let reason = '';
    worker.on('message', (message: FromCore) => this.#receive(message));
    worker.on('error', (error) => {
      reason = error instanceof Error ? error.message : String(error);
    });
    worker.on('exit', (code) => this.#exited(reason === '' ? `exit code ${code}` : reason));
    this.#worker = worker;
  }

  #send(message: ToCore): void {
    this.#worker?.postMessage(message);
  }

  #receive(message: FromCore): void {
    switch (message.type) {
      case 'report':
        this.#report = message.report;
        this.#pending = message.pending;
        this.host = hostOf(message.report);
        this.#begin();
        for (const monitor of this.#shown.keys()) if (monitor !== CRASH) this.#show(monitor);
        break;
      case 'answer':
        this.#answered += 1;
        this.#interrupted = false;
        this.#print(message.text);
        break;
      case 'closed':
        this.#closed?.();
        break;
    }
  }

  #run(text: string): void {
    this.#print(`crash> ${text}`);
    if (this.#worker === undefined) {
      this.#print(this.#failure);
      return;
    }
    this.#asked += 1;
    this.#send({ type: 'command', id: this.#asked, text });
  }

  #interrupt(): boolean {
    if (this.#answered === this.#asked || this.#interrupted || this.#worker === undefined) return false;
    this.#interrupted = true;
    this.#send({ type: 'interrupt' });
    return true;
  }

  #print(text: string): void {
    for (const line of linesOf(text.replace(/\n$/, ''))) {
      const at_ms = (this.#output.at(-1)?.at_ms ?? 0) + 1;
      this.#output.push({ at_ms, cpu: -1, pid: -1, tid: -1, comm: '', text: line });
    }
    this.#output.splice(0, Math.max(0, this.#output.length - MOST_LINES));
    if (this.#shown.has(CRASH)) this.#show(CRASH);
  }

  #show(monitor: string): void {
    const seq = (this.#shown.get(monitor) ?? 0) + 1;
    if (!this.#shown.has(monitor)) return;
    if (this.#failure !== '' && this.#report === undefined) {
      this.#tell({ type: 'failed', failure: { monitor, kind: 'internal', text: this.#failure } });
      return;
    }
    this.#shown.set(monitor, seq);
    if (monitor === CRASH) {
      this.#tell({ type: 'snapshot', snapshot: outputPicture([...this.#output], monitor, seq, []) });
    } else if (this.#report !== undefined) {
      const section = monitor === OVERVIEW ? undefined : this.#sectionOf.get(monitor);
      const snapshot = pictureOf(this.#report, section, monitor, seq);
      const notes = this.#pending === undefined ? snapshot.notes : [...snapshot.notes, this.#pending];
      this.#tell({ type: 'snapshot', snapshot: { ...snapshot, notes } });
    }
  }

  #exited(reason: string): void {
    this.#worker = undefined;
    this.#begin();
    this.#closed?.();
    if (this.#closed !== undefined) return;
    this.#failure = `the thread that reads the core died (${reason}); start ktop again, and report it if it persists`;
    if (this.#report === undefined) for (const monitor of this.#shown.keys()) this.#show(monitor);
    else this.#tell({ type: 'notice', text: this.#failure });
  }

  #tell(message: SourceMessage): void {
    for (const listener of this.#listeners) listener(message);
  }
}
