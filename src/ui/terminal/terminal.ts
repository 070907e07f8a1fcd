/**
 * The only module that touches the terminal: modes, size, keys, suspension. Everything it sets it undoes,
 * once, on every way out.
 */
import { closeSync, constants, openSync, readSync } from 'node:fs';
import { isatty, ReadStream } from 'node:tty';
import { type Key, KeyDecoder } from './keys.ts';
import { TtyWriter } from './tty-writer.ts';

/** Alternate screen; asked for again while it is shown it would forget where the shell's cursor was. */
const ALTERNATE = '\x1b[?1049h';
const ENTER = '\x1b[?25l\x1b[?7l\x1b[m\x1b[H\x1b[2J';
/** CAN ends a sequence that was cut off by leaving in the middle of a frame; lines may scroll in a part of the screen then. */
const CALM = '\x18\x1b[m\x1b[r';
const LEAVE = '\x1b[?7h\x1b[?25h\x1b[?1049l';
/** Presses, releases and the wheel, as SGR reports: coordinates have no limit there. */
const MOUSE_ON = '\x1b[?1000h\x1b[?1006h';
const MOUSE_OFF = '\x1b[?1006l\x1b[?1000l';
const ESCAPE_MS = 50;
const RESIZE_MS = 50;
/** A stop signal that did not stop us within this (orphaned process group) is over. */
const STOPPED_MS = 100;
/** For an answer that is still on its way when the terminal is given back, and would be typed to the shell. */
const LEAST_WAIT_MS = 100;
const MOST_WAIT_MS = 1000;
const ANSWER = '\x1b[0n';

export interface TerminalEvents {
  key(key: Key): void;
  /** New size, or back from suspension: paint everything. */
  repaint(): void;
  /** The frame in flight has been written. */
  idle(): void;
  /** The terminal has gone away. */
  gone(): void;
}

export interface Size {
  readonly columns: number;
  readonly rows: number;
}

export class Terminal {
  readonly writer: TtyWriter;
  readonly #events: TerminalEvents;
  readonly #input: ReadStream;
  readonly #ownInput: boolean;
  readonly #output: number;
  #decoder = new KeyDecoder();
  #mouse: boolean;
  #escape: NodeJS.Timeout | undefined;
  #resize: NodeJS.Timeout | undefined;
  #stopped: NodeJS.Timeout | undefined;
  #entered = false;
  #over = false;

  constructor({ mouse }: { readonly mouse: boolean }, events: TerminalEvents) {
    this.#events = events;
    this.#mouse = mouse;
    this.#ownInput = !isatty(0);
    this.#input = this.#ownInput ? new ReadStream(openSync('/dev/tty', 'r')) : (process.stdin as ReadStream);
    this.#output = openOutput();
    this.writer = new TtyWriter(
      this.#output,
      () => events.idle(),
      () => events.gone(),
    );
  }

  get size(): Size {
    const [columns, rows] = process.stdout.isTTY ? process.stdout.getWindowSize() : [80, 24];
    // A serial line knows no size and says 0x0.
    return { columns: columns || 80, rows: rows || 24 };
  }

  /** Takes the terminal over and starts reading keys. */
  start(): void {
    process.stdout.on('resize', this.#onResize);
    process.on('SIGTSTP', this.#onStop);
    process.on('SIGCONT', this.#onContinue);
    this.#input.on('data', this.#onData);
    this.#input.on('end', this.#onGone);
    this.#input.on('error', this.#onGone);
    this.#enter();
    // Whoever had the terminal before may have let go of it.
    this.#input.ref();
    this.#input.resume();
  }

  /** Gives the terminal back for good. Safe to call again, from anywhere, also while the process dies. */
  stop(): void {
    if (this.#over) return;
    this.#over = true;
    this.#leave();
    for (const timer of [this.#escape, this.#resize, this.#stopped]) clearTimeout(timer);
    process.stdout.off('resize', this.#onResize);
    process.off('SIGTSTP', this.#onStop);
    process.off('SIGCONT', this.#onContinue);
    this.#input.off('data', this.#onData);
    this.#input.off('end', this.#onGone);
    this.#input.pause();
    if (this.#ownInput) this.#input.destroy();
    else this.#input.unref();
    if (this.#output !== 1) closeSync(this.#output);
  }

  /** Whether the mouse is ours; else the terminal selects text with it. */
  get mouse(): boolean {
    return this.#mouse;
  }

  set mouse(wanted: boolean) {
    if (wanted === this.#mouse) return;
    this.#mouse = wanted;
    if (this.#entered) this.writer.control(wanted ? MOUSE_ON : MOUSE_OFF);
  }

  /** Hands the terminal to the shell and stops this process group until it is continued. */
  suspend(): void {
    if (this.#over || !this.#entered) return;
    this.#leave();
    process.off('SIGTSTP', this.#onStop);
    process.kill(0, 'SIGTSTP');
    this.#stopped = setTimeout(this.#onContinue, STOPPED_MS);
  }

  #enter(): void {
    if (this.#over) return;
    const again = this.#entered;
    this.#entered = true;
    this.#setRaw(true);
    this.writer.reopen();
    this.writer.writeNow((again ? '' : ALTERNATE) + ENTER + (this.#mouse ? MOUSE_ON : ''));
  }

  #leave(): void {
    if (!this.#entered) return;
    this.#entered = false;
    this.writer.close();
    const { rows } = this.size;
    // Where there is no alternate screen the prompt goes below the last picture.
    this.writer.writeNow(`${CALM}\x1b[${rows}H\r\n${this.#mouse ? MOUSE_OFF : ''}${LEAVE}`);
    this.#swallowAnswer();
    this.#setRaw(false);
  }

  /** Blocks, for about as long as answers take here. */
  #swallowAnswer(): void {
    const { receipt } = this.writer;
    const from = performance.now();
    if (!receipt.isDue(from)) return;
    const until = from + Math.min(MOST_WAIT_MS, Math.max(LEAST_WAIT_MS, 2 * (receipt.took_ms ?? 0)));
    let seen = '';
    try {
      const path = this.#ownInput ? '/dev/tty' : '/proc/self/fd/0';
      const input = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
      const bytes = Buffer.alloc(256);
      while (!seen.includes(ANSWER) && performance.now() < until) {
        const count = readNow(input, bytes);
        if (count === 0) break;
        if (count < 0) Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
        else seen = (seen + bytes.toString('latin1', 0, count)).slice(-64);
      }
      closeSync(input);
    } catch {
      // No terminal, nobody to answer.
    }
  }

  #setRaw(raw: boolean): void {
    try {
      this.#input.setRawMode(raw);
    } catch {
      // The terminal is gone: nothing is left to be set.
    }
  }

  readonly #onData = (bytes: Buffer): void => {
    clearTimeout(this.#escape);
    this.#emit(this.#decoder.push(bytes));
    if (this.#decoder.waiting) {
      this.#escape = setTimeout(() => this.#emit(this.#decoder.flush()), ESCAPE_MS);
    }
  };

  #emit(keys: readonly Key[]): void {
    for (const key of keys) {
      if (this.#over) return;
      if (key.name === 'receipt') this.writer.arrived();
      else if (!this.#flowControl(key.name)) this.#events.key(key);
    }
  }

  /**
   * Raw mode leaves Ctrl-S to us, and whoever presses it, or the terminal that sends it, counts on silence. Ctrl-Q ends it,
   * and so does any other key: nobody is to believe that ktop hangs. Returns whether that is all the key does.
   */
  #flowControl(name: string): boolean {
    if (name === 'ctrl-s') {
      this.writer.held = true;
      return true;
    }
    if (!this.writer.held) return name === 'ctrl-q';
    this.writer.held = false;
    this.#events.repaint();
    return name === 'ctrl-q';
  }

  // Sharing a tmux window resizes in storms: the last size is the one that counts.
  readonly #onResize = (): void => {
    clearTimeout(this.#resize);
    this.#resize = setTimeout(() => this.#events.repaint(), RESIZE_MS);
  };

  readonly #onStop = (): void => {
    this.suspend();
  };

  readonly #onContinue = (): void => {
    if (this.#over) return;
    clearTimeout(this.#stopped);
    if (!process.listeners('SIGTSTP').includes(this.#onStop)) process.on('SIGTSTP', this.#onStop);
    // Also after a SIGSTOP, which gives no warning: the shell has changed the modes meanwhile.
    this.#enter();
    this.#events.repaint();
  };

  readonly #onGone = (): void => {
    if (!this.#over) this.#events.gone();
  };
}

/** Bytes read; 0 at the end, -1 when there are none just now. Throws when the terminal is gone. */
function readNow(descriptor: number, into: Buffer): number {
  try {
    return readSync(descriptor, into);
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EAGAIN') return -1;
    throw error;
  }
}

/**
 * The terminal, opened anew and non-blocking: a stalled terminal then never holds up a thread, and the
 * flag does not leak to the shell that shares descriptor 1. Descriptor 1 where that is not allowed.
 */
function openOutput(): number {
  try {
    return openSync('/proc/self/fd/1', constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY);
  } catch {
    return 1;
  }
}
