/** Writes frames to a terminal that may be slow, stalled or gone, without ever blocking or queueing. */
import { write, writeSync } from 'node:fs';

const RETRY_MS = 20;
const LAST_WORDS_MS = 200;

/** One write in flight. While it is, no frame is taken: the next one is composed from the newest state. */
export class TtyWriter {
  /** Bytes written so far. */
  bytes = 0;
  readonly #fd: number;
  readonly #onIdle: () => void;
  readonly #onGone: () => void;
  #rest: Buffer | undefined;
  #timer: NodeJS.Timeout | undefined;
  #closed = false;

  /** `onIdle`: a frame has gone out whole. `onGone`: the terminal no longer exists (EIO, EPIPE …). */
  constructor(fd: number, onIdle: () => void, onGone: () => void) {
    this.#fd = fd;
    this.#onIdle = onIdle;
    this.#onGone = onGone;
  }

  /** A frame is on its way. */
  get busy(): boolean {
    return this.#rest !== undefined;
  }

  /** Starts writing a frame; only when not busy. */
  write(frame: string): void {
    if (this.#closed || this.busy || frame === '') return;
    this.#rest = Buffer.from(frame);
    this.#send();
  }

  /** Takes no more frames and drops what is left of the one in flight. */
  close(): void {
    this.#closed = true;
    this.#rest = undefined;
    clearTimeout(this.#timer);
  }

  /** Takes frames again after `close`. */
  reopen(): void {
    this.#closed = false;
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

  #send(): void {
    const buffer = this.#rest;
    if (buffer === undefined) return;
    write(this.#fd, buffer, 0, buffer.length, null, (error, written) => {
      if (this.#closed) return;
      if (error !== null && codeOf(error) !== 'EAGAIN') {
        this.close();
        this.#onGone();
        return;
      }
      const done = error === null ? written : 0;
      this.bytes += done;
      this.#rest = buffer.subarray(done);
      if (this.#rest.length > 0) {
        this.#timer = setTimeout(() => this.#send(), RETRY_MS);
        return;
      }
      this.#rest = undefined;
      this.#onIdle();
    });
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : '';
}
