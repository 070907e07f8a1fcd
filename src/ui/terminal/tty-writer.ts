/** Writes frames to a terminal that may be slow, stalled or gone, without ever blocking or queueing. */
import { write, writeSync } from 'node:fs';
import { Receipt } from './receipt.ts';

const RETRY_MS = 20;
const LAST_WORDS_MS = 200;

/**
 * One write in flight, until the terminal says that it has it. While it is, no frame is taken: the next one is composed
 * from the newest state.
 */
export class TtyWriter {
  /** Bytes written so far. */
  bytes = 0;
  readonly receipt = new Receipt();
  readonly #fd: number;
  readonly #onIdle: () => void;
  readonly #onGone: () => void;
  #rest: Buffer | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;
  #held = false;
  #control = '';
  #began = 0;
  /** The frame that is with the kernel just now. */
  #sending: Buffer | undefined;

  /** `onIdle`: a frame has gone out whole. `onGone`: the terminal no longer exists (EIO, EPIPE …). */
  constructor(fd: number, onIdle: () => void, onGone: () => void) {
    this.#fd = fd;
    this.#onIdle = onIdle;
    this.#onGone = onGone;
  }

  /** A frame is on its way. */
  get busy(): boolean {
    return this.#rest !== undefined || this.#held || this.receipt.isDue(performance.now());
  }

  /** How long a frame has been on its way, milliseconds; 0 when none is. */
  busyFor(now_ms: number): number {
    return this.busy ? Math.max(1, now_ms - this.#began) : 0;
  }

  /** Nothing is written until it is let go, as Ctrl-S asks for. */
  get held(): boolean {
    return this.#held;
  }

  set held(held: boolean) {
    this.#held = held;
    if (held) clearTimeout(this.#timer);
    else this.#send();
  }

  /** The terminal has answered: the frame has arrived. */
  arrived(): void {
    this.receipt.answer(performance.now());
    if (!this.#closed && !this.busy) this.#onIdle();
  }

  /** Starts writing a frame; only when not busy. */
  write(frame: string): void {
    if (this.#closed || this.busy || frame === '') return;
    this.#began = performance.now();
    this.#rest = Buffer.from(frame + this.receipt.ask(this.#began, frame.length));
    this.#send();
  }

  /** Takes no more frames and drops what is left of the one in flight. */
  close(): void {
    this.#closed = true;
    this.#held = false;
    this.#control = '';
    this.#rest = undefined;
    clearTimeout(this.#timer);
  }

  /** Takes frames again after `close`. */
  reopen(): void {
    this.#closed = false;
    this.receipt.forget();
  }

  /** Sends a few bytes of no frame: at once, or behind the one that is being written. */
  control(text: string): void {
    if (this.#closed) return;
    this.#control += text;
    if (this.#rest === undefined) this.#sendControl();
  }

  /** Blocks for at most 200 ms: for leaving the screen. Errors are ignored, the terminal may be gone. */
  writeNow(text: string): void {
    let rest = Buffer.from(text);
    const deadline = performance.now() + LAST_WORDS_MS;
    while (rest.length > 0 && performance.now() < deadline) {
      try {
        rest = rest.subarray(writeSync(this.#fd, rest));
      } catch (error) {
        if (codeOf(error) !== 'EAGAIN') return;
        Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
      }
    }
  }

  #sendControl(): void {
    this.#rest = Buffer.from(this.#control);
    this.#control = '';
    this.#send();
  }

  #send(): void {
    const buffer = this.#rest;
    if (buffer === undefined || this.#held || this.#sending !== undefined) return;
    this.#sending = buffer;
    write(this.#fd, buffer, 0, buffer.length, null, (error, written) => {
      this.#sending = undefined;
      if (this.#closed) return;
      // Closed and opened again meanwhile: that frame is over.
      if (this.#rest !== buffer) {
        this.#send();
        return;
      }
      if (error !== null && codeOf(error) !== 'EAGAIN') {
        this.close();
        this.#onGone();
        return;
      }
      const done = error === null ? written : 0;
      this.bytes += done;
      this.#rest = buffer.subarray(done);
      if (this.#rest.length > 0) {
        if (!this.#held) this.#timer = setTimeout(() => this.#send(), RETRY_MS);
        return;
      }
      this.#rest = undefined;
      if (this.#control !== '') this.#sendControl();
      else if (!this.busy) this.#onIdle();
    });
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
