/** Where commands for crash are handed in: the session is opened with the first of them, and lasts. */
import type { KernelFacts, Report } from '../report.ts';
import { withCrash } from './compare.ts';
import { CrashError } from './crash-error.ts';
import { askTables, type CrashSaid } from './facts.ts';
import { completed, needsFallback } from './fallback.ts';
import { type OpenCrash, type OpenedCrash, openCrash } from './open.ts';
import type { CrashAnswer, RunOptions } from './session.ts';

export interface DeskOptions extends Omit<OpenCrash, 'kernel'> {
  /** What is known by now. */
  readonly kernel: () => Pick<KernelFacts, 'release' | 'build_id'>;
}

export class CrashDesk {
  readonly #options: DeskOptions;
  #opened: OpenedCrash | undefined;
  #facts: Promise<CrashSaid> | undefined;
  #closed = false;

  constructor(options: DeskOptions) {
    this.#options = options;
  }

  /** Why crash cannot be started at all, which is known at once; undefined where it may be. */
  problem(): string | undefined {
    try {
      this.#open();
      return undefined;
    } catch (error) {
      if (!(error instanceof CrashError)) throw error;
      return error.message;
    }
  }

  /** Rejects with a CrashError, at once where crash cannot be started. */
  async run(command: string, options: RunOptions = {}): Promise<CrashAnswer> {
    const { session } = this.#open();
    // Before the user can choose another task than that of the panic.
    await this.facts().catch(() => {});
    return session.run(command, options);
  }

  /** Text for a person: what was cut off, and notes on the session before its first answer. */
  async answer(command: string, options: RunOptions = {}): Promise<string> {
    const first = this.#opened === undefined;
    const { text, cut } = await this.run(command, options);
    const notes = first ? (this.#opened?.notes ?? []).map((note) => `(${note})\n`).join('') : '';
    return `${notes}${text}${cut === undefined ? '' : `${text === '' || text.endsWith('\n') ? '' : '\n'}(${CUTS[cut]})\n`}`;
  }

  /** Asked once. */
  facts(): Promise<CrashSaid> {
    this.#facts ??= Promise.resolve().then(() => askTables(this.#open().session));
    return this.#facts;
  }

  /** The report with what crash has to say: on its own where the native reader could not read the core. */
  async completed(report: Report): Promise<Report> {
    if (needsFallback(report)) return completed(report, this.#open().session);
    return withCrash(report, await this.facts());
  }

  /** The same, whatever happens: what keeps crash from it is a failure in the report. */
  async completedOrWhy(report: Report): Promise<Report> {
    try {
      return await this.completed(report);
    } catch (error) {
      const { message } = error as Error;
      const text = error instanceof CrashError ? message : `internal error: ${message}; please report it`;
      return { ...report, failures: [...report.failures, { stage: 'crash', text }] };
    }
  }

  /** Interrupts what crash is at. */
  interrupt(): boolean {
    return this.#opened?.session.interrupt() ?? false;
  }

  async close(): Promise<void> {
    this.#closed = true;
    await this.#opened?.close();
  }

  #open(): OpenedCrash {
    if (this.#opened === undefined && !this.#closed)
      this.#opened = openCrash({ ...this.#options, kernel: this.#options.kernel() });
    if (this.#opened === undefined) throw new CrashError('the core is closed');
    return this.#opened;
  }
}

const CUTS = {
  time: 'interrupted: it took too long',
  size: 'interrupted: it said too much',
  stopped: 'interrupted',
} as const;
