/** Whole lines out of a stream, each with the time it arrived. */
import type { Readable } from 'node:stream';

export class Lines {
  readonly all: string[] = [];
  #rest = '';
  #ended = false;
  #wake: () => void = () => {};
  readonly #onLine: (line: string) => void;

  constructor(stream: Readable, onLine: (line: string) => void = () => {}) {
    this.#onLine = onLine;
    stream.setEncoding('utf8').on('data', (text: string) => this.#take(text));
    stream.on('close', () => {
      this.#ended = true;
      this.#wake();
    });
  }

  #take(text: string): void {
    const parts = (this.#rest + text).split('\n');
    this.#rest = parts.pop() ?? '';
    for (const line of parts) {
      this.all.push(line);
      this.#onLine(line);
    }
    this.#wake();
  }

  /** Resolves when `done` holds; rejects when the stream ends or the time is up first. */
  async until(done: () => boolean, timeout_ms: number, what: string): Promise<void> {
    const end = performance.now() + timeout_ms;
    while (!done()) {
      if (this.#ended) throw new Error(`output ended before ${what}`);
      const left = end - performance.now();
      if (left <= 0) throw new Error(`${timeout_ms} ms passed before ${what}`);
      await new Promise<void>((resolve) => {
        const timer = setTimeout(resolve, left);
        this.#wake = () => {
          clearTimeout(timer);
          resolve();
        };
      });
    }
  }
}
