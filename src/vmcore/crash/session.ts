/**
 * One process of crash on one core. Commands are queued and go one after another; behind each goes an echo of a
 * marker, and what comes before the marker is the answer: no prompt is parsed and nothing waits for a delay. The
 * marker is random, so nothing in a core can look like it.
 *
 * A command that takes too long, or says too much, is interrupted (SIGINT: crash itself lives on); one that does not
 * let itself be interrupted ends the process. A process that ended is started anew for the next command.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { StringDecoder } from 'node:string_decoder';
import { CrashError } from './crash-error.ts';
import type { Launch } from './launch.ts';

export interface CrashAnswer {
  /** Untrusted: sanitise before drawing. */
  readonly text: string;
  readonly ms: number;
  /** It was interrupted because it took too long, said too much, or was told to stop. */
  readonly cut?: 'time' | 'size' | 'stopped';
}

export interface RunOptions {
  /** Default 60 s. */
  readonly timeout_ms?: number;
  readonly signal?: AbortSignal;
}

/** How much of crash there is: each mode is the fallback of the one before. */
export type CrashMode = 'full' | 'zero-excluded' | 'minimal';

export interface CrashSetup {
  readonly launch: Launch;
  readonly vmlinux: string;
  readonly core: string;
  readonly release?: string;
  /** Default: all. */
  readonly modes?: readonly CrashMode[];
  /** Default 120 s. */
  readonly start_ms?: number;
  readonly onState?: (state: CrashState) => void;
}

export interface CrashState {
  readonly status: 'idle' | 'starting' | 'ready' | 'busy' | 'failed' | 'closed';
  readonly mode: CrashMode;
  /** What crash said while it started: its warnings. Untrusted. */
  readonly startup: string;
  /** Time to its first answer. */
  readonly start_ms?: number;
  /** Of `failed`: one sentence. */
  readonly reason?: string;
}

interface Job {
  readonly command: string;
  readonly timeout_ms: number;
  readonly signal: AbortSignal | undefined;
  readonly resolve: (answer: CrashAnswer) => void;
  readonly reject: (error: Error) => void;
}

/** The job that crash is at. */
interface Running {
  readonly job: Job;
  readonly marker: string;
  readonly started: number;
  readonly output: string[];
  size: number;
  cut?: CrashAnswer['cut'];
  timer?: NodeJS.Timeout;
  readonly onAbort: () => void;
}

const MODES: readonly CrashMode[] = ['full', 'zero-excluded', 'minimal'];
const FLAGS: Readonly<Record<CrashMode, readonly string[]>> = {
  full: [],
  'zero-excluded': ['--zero_excluded'],
  minimal: ['--minimal'],
};
/** First of all: no pager ("scroll"), which waits for a key. Its marker means ready. */
const FIRST = 'set scroll off';
const START_MS = 120_000;
const COMMAND_MS = 60_000;
/** How long an interrupted command has to end; measured: 10 ms to 100 ms. */
const INTERRUPT_MS = 3000;
const QUIT_MS = 1000;
const LONGEST_ANSWER = 16 * 2 ** 20;
const LONGEST_COMMAND = 4096;
const LONGEST_STARTUP = 64 * 1024;
/** Commands that write to the core, which stays as it is. */
const WRITES = /^\s*\*?wr\b/;
const QUITS = /^\s*(?:q|quit|exit)\s*$/;

/** What runs, and the directory that each has to itself. */
const alive = new Map<ChildProcess, string>();
process.on('exit', () => {
  for (const [child, home] of alive) {
    signalGroup(child, 'SIGKILL');
    rmSync(home, { recursive: true, force: true });
  }
});

/** crash and what its pipes have started: it leads a process group of its own. */
function signalGroup(child: ChildProcess, signal: NodeJS.Signals): void {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
  try {
    process.kill(-child.pid, signal);
  } catch {
    // It has ended in this moment.
  }
}

export class CrashSession {
  readonly #setup: CrashSetup;
  readonly #queue: Job[] = [];
  #child: ChildProcess | undefined;
  #running: Running | undefined;
  #modes: readonly CrashMode[];
  #state: CrashState;
  #unread = '';
  #starting: Promise<void> | undefined;
  #counter = 0;

  constructor(setup: CrashSetup) {
    this.#setup = setup;
    this.#modes = setup.modes ?? MODES;
    this.#state = { status: 'idle', mode: this.#modes[0] ?? 'full', startup: '' };
  }

  get state(): CrashState {
    return this.#state;
  }

  /** Until it answers; rejects with a CrashError that says why it never will. */
  start(): Promise<void> {
    this.#starting ??= this.#startAny().then(
      () => {
        this.#starting = undefined;
        this.#next();
      },
      (error: Error) => {
        this.#starting = undefined;
        for (const { reject } of this.#queue.splice(0)) reject(error);
        throw error;
      },
    );
    return this.#starting;
  }

  /** The command goes to crash as it is given: a line that the user has typed, or one of our own, never one with data of a core. */
  run(command: string, options: RunOptions = {}): Promise<CrashAnswer> {
    const problem = this.#refuse(command);
    if (problem !== undefined) return Promise.reject(new CrashError(problem));
    return new Promise((resolve, reject) => {
      const { timeout_ms = COMMAND_MS, signal } = options;
      this.#queue.push({ command, timeout_ms, signal, resolve, reject });
      this.#next();
    });
  }

  /** Interrupts the command that crash is at; false when there is none: its start is no command. */
  interrupt(): boolean {
    const running = this.#running;
    if (running === undefined || this.#starting !== undefined) return false;
    this.#cut(running, 'stopped');
    return true;
  }

  /** Nothing runs afterwards. */
  async close(): Promise<void> {
    this.#set({ status: 'closed' });
    for (const { reject } of this.#queue.splice(0)) reject(new CrashError('the session of crash is closed'));
    const child = this.#child;
    if (child === undefined) return;
    const ended = new Promise<void>((resolve) => child.once('close', () => resolve()));
    child.stdin?.end('quit\n');
    if (this.#running !== undefined) signalGroup(child, 'SIGKILL');
    const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), QUIT_MS);
    await ended;
    clearTimeout(timer);
  }

  #refuse(command: string): string | undefined {
    if (this.#state.status === 'closed') return 'the session of crash is closed';
    if (command.length > LONGEST_COMMAND)
      return `a command of crash may have ${LONGEST_COMMAND} characters; this has ${command.length}`;
    // biome-ignore lint/suspicious/noControlCharactersInRegex: that is what is refused
    if (/[\u0000-\u0008\u000a-\u001f\u007f]/.test(command))
      return 'a command of crash is one line; this has control characters in it';
    if (WRITES.test(command)) return 'wr would change the core; it is open for reading only';
    return undefined;
  }

  #set(change: Partial<CrashState>): void {
    if (this.#state.status === 'closed') return;
    this.#state = { ...this.#state, ...change };
    this.#setup.onState?.(this.#state);
  }

  // ---------------------------------------------------------------- starting

  async #startAny(): Promise<void> {
    if (this.#child !== undefined) return;
    if (this.#state.status === 'failed') throw new CrashError(this.#state.reason);
    let first: string | undefined;
    for (const [index, mode] of this.#modes.entries()) {
      if (this.#state.status === 'closed') throw new CrashError('the session of crash is closed');
      this.#set({ status: 'starting', mode, startup: '' });
      const started = performance.now();
      const reason = await this.#startIn(mode);
      if (reason === undefined) {
        // What has worked once is what is started next time.
        this.#modes = this.#modes.slice(index);
        this.#set({ status: 'ready', start_ms: performance.now() - started });
        return;
      }
      first ??= reason;
    }
    const reason = first ?? 'crash was given no mode to start in';
    this.#set({ status: 'failed', reason });
    throw new CrashError(reason);
  }

  /** Resolves to why it did not start. */
  #startIn(mode: CrashMode): Promise<string | undefined> {
    const { launch, vmlinux, core } = this.#setup;
    const started = performance.now();
    // What lies in the user's directories (.crashrc, .gdbinit) shall not change answers.
    let home: string;
    try {
      home = mkdtempSync(join(tmpdir(), 'ktop-crash-'));
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException;
      return Promise.resolve(`crash needs a directory in ${tmpdir()} (${code}); name another with TMPDIR`);
    }
    const args = [...launch.args, '-s', '--no_crashrc', ...FLAGS[mode], vmlinux, core];
    const env = { PATH: process.env.PATH ?? '/usr/bin:/bin', HOME: home, TERM: 'dumb', LC_ALL: 'C' };
    const child = spawn(launch.file, args, { cwd: home, env, detached: true, stdio: 'pipe' });
    alive.set(child, home);
    this.#child = child;
    this.#unread = '';
    let complaint = '';
    let problem: string | undefined;
    child.on('error', (error) => {
      problem = error.message;
    });
    child.stdin.on('error', () => {});
    const decoder = new StringDecoder('utf8');
    child.stdout.on('data', (bytes: Buffer) => this.#take(child, decoder.write(bytes)));
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      if (complaint.length < LONGEST_STARTUP) complaint += text;
    });
    return new Promise((resolve) => {
      let timedOut = false;
      const timer = setTimeout(() => {
        timedOut = true;
        signalGroup(child, 'SIGKILL');
      }, this.#setup.start_ms ?? START_MS);
      const job: Job = {
        command: FIRST,
        timeout_ms: Number.POSITIVE_INFINITY,
        signal: undefined,
        resolve: ({ text }) => {
          clearTimeout(timer);
          this.#set({ startup: startupText(`${complaint}${text}`) });
          resolve(undefined);
        },
        // Said below, where more is known.
        reject: () => {},
      };
      child.on('close', (status, signal) => {
        alive.delete(child);
        clearTimeout(timer);
        rmSync(home, { recursive: true, force: true });
        const said = `${complaint}${this.#running?.output.join('') ?? ''}${this.#unread}`;
        if (this.#child === child) this.#died(status, signal);
        resolve(
          this.#whyNot(problem ?? said, { status, signal, timedOut, ms: performance.now() - started, mode }),
        );
      });
      this.#begin(child, job, mode);
    });
  }

  #whyNot(
    said: string,
    end: { status: number | null; signal: string | null; timedOut: boolean; ms: number; mode: CrashMode },
  ): string {
    const seconds = `${(end.ms / 1000).toFixed(1)} s`;
    const kernel = this.#setup.release ?? 'this kernel';
    if (end.timedOut) return `crash did not start within ${seconds}; the core may be too large or damaged`;
    const line = saidLines(said).find((each) => /^crash: |not |cannot |invalid |no /i.test(each));
    if (line !== undefined)
      return `crash does not start on this core: ${line.replace(/^crash: /, '')}; a newer crash may know ${kernel}`;
    const how = end.signal === null ? `with status ${end.status}` : `by ${end.signal}`;
    return `crash ended ${how} after ${seconds} without a word; it may not know ${kernel}, a newer one may`;
  }

  // ---------------------------------------------------------------- commands

  #next(): void {
    if (this.#running !== undefined || this.#queue.length === 0 || this.#starting !== undefined) return;
    const child = this.#child;
    if (QUITS.test(this.#queue[0]?.command ?? '')) {
      this.#endProcess();
      this.#queue.shift()?.resolve({ text: '', ms: 0 });
      this.#next();
      return;
    }
    if (child === undefined) {
      // Those who wait in the queue are told when it fails.
      this.start().catch(() => {});
      return;
    }
    const job = this.#queue.shift();
    if (job === undefined) return;
    if (job.signal?.aborted === true) {
      job.resolve({ text: '', ms: 0, cut: 'stopped' });
      this.#next();
      return;
    }
    this.#set({ status: 'busy' });
    this.#begin(child, job, this.#state.mode);
  }

  #begin(child: ChildProcess, job: Job, mode: CrashMode): void {
    const marker = `@@${randomBytes(8).toString('hex')}-${this.#counter++}@@`;
    const running: Running = {
      job,
      marker,
      started: performance.now(),
      output: [],
      size: 0,
      onAbort: () => this.#cut(running, 'stopped'),
    };
    this.#running = running;
    if (Number.isFinite(job.timeout_ms))
      running.timer = setTimeout(() => this.#cut(running, 'time'), job.timeout_ms);
    job.signal?.addEventListener('abort', running.onAbort, { once: true });
    // In minimal mode there is no gdb.
    const echo = mode === 'minimal' ? `!echo '${marker}'` : `gdb echo ${marker}\\n`;
    child.stdin?.write(`${job.command}\n${echo}\n`);
  }

  #take(child: ChildProcess, text: string): void {
    const running = this.#running;
    if (child !== this.#child || running === undefined) return;
    this.#unread += text;
    const at = this.#unread.indexOf(running.marker);
    if (at >= 0) {
      running.output.push(this.#unread.slice(0, at));
      this.#unread = this.#unread.slice(at + running.marker.length).replace(/^\n/, '');
      this.#answered(running);
      return;
    }
    // All but what may be the beginning of the marker.
    const sure = this.#unread.length - running.marker.length;
    if (sure <= 0) return;
    running.size += sure;
    if (running.size <= LONGEST_ANSWER) running.output.push(this.#unread.slice(0, sure));
    else this.#cut(running, 'size');
    this.#unread = this.#unread.slice(sure);
  }

  #answered(running: Running): void {
    this.#settle(running);
    if (this.#state.status === 'busy') this.#set({ status: 'ready' });
    running.job.resolve({
      text: running.output.join(''),
      ms: performance.now() - running.started,
      ...(running.cut === undefined ? {} : { cut: running.cut }),
    });
    this.#next();
  }

  #settle(running: Running): void {
    clearTimeout(running.timer);
    running.job.signal?.removeEventListener('abort', running.onAbort);
    if (this.#running === running) this.#running = undefined;
  }

  #cut(running: Running, why: NonNullable<CrashAnswer['cut']>): void {
    const child = this.#child;
    if (running.cut !== undefined || this.#running !== running || child === undefined) return;
    running.cut = why;
    clearTimeout(running.timer);
    signalGroup(child, 'SIGINT');
    running.timer = setTimeout(() => signalGroup(child, 'SIGKILL'), INTERRUPT_MS);
  }

  #died(status: number | null, signal: NodeJS.Signals | null): void {
    this.#child = undefined;
    const running = this.#running;
    if (this.#state.status === 'ready' || this.#state.status === 'busy') this.#set({ status: 'idle' });
    if (running !== undefined) {
      this.#settle(running);
      const { cut, job } = running;
      // What it had said until then is an answer all the same.
      const text = `${running.output.join('')}${this.#unread}`;
      if (cut !== undefined) job.resolve({ text, ms: performance.now() - running.started, cut });
      else
        job.reject(
          new CrashError(
            `crash ended ${signal === null ? `with status ${status}` : `by ${signal}`} in the middle of a command; the next one starts it anew`,
          ),
        );
    }
    this.#unread = '';
    this.#next();
  }

  /** It ends by itself, in its own time; the next command starts another. */
  #endProcess(): void {
    const child = this.#child;
    if (child === undefined) return;
    this.#child = undefined;
    this.#set({ status: 'idle' });
    child.stdin?.end('quit\n');
    const timer = setTimeout(() => signalGroup(child, 'SIGKILL'), QUIT_MS);
    child.once('close', () => clearTimeout(timer));
  }
}

/** Without blank lines and what the pager's command answers. */
function saidLines(text: string): string[] {
  return text
    .split('\n')
    .map((line) => line.trim())
    .filter((line) => line !== '' && !line.startsWith('scroll:'));
}

const startupText = (text: string): string => saidLines(text).join('\n').slice(0, LONGEST_STARTUP);
