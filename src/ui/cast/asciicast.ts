/** asciicast, the format of asciinema: one JSON value a line. https://docs.asciinema.org/manual/asciicast/v2 and …/v3 */
import type { Size } from '../terminal/terminal.ts';

export type CastVersion = 2 | 3;

/** `o` is written to the terminal, `m` is a marker, `x` the exit status. */
export type CastCode = 'o' | 'm' | 'x';

export interface CastHeader {
  readonly version: CastVersion;
  readonly size: Size;
  /** Seconds since the epoch. */
  readonly timestamp: number;
  readonly title: string;
}

/**
 * Lines of a cast. Times are whole milliseconds, so that the differences that version 3 writes add up to what version 2
 * writes.
 */
export class Asciicast {
  readonly #version: CastVersion;
  #last_ms = 0;

  constructor(version: CastVersion) {
    this.#version = version;
  }

  header({ version, size: { columns, rows }, timestamp, title }: CastHeader): string {
    const common = { timestamp, title };
    const head =
      version === 2
        ? { version, width: columns, height: rows, ...common }
        : { version, term: { cols: columns, rows }, ...common };
    return `${JSON.stringify(head)}\n`;
  }

  /** `at_ms`: since the start, never less than before. */
  event(at_ms: number, code: CastCode, data: string): string {
    const at = Math.max(this.#last_ms, Math.round(at_ms));
    const time = this.#version === 2 ? at : at - this.#last_ms;
    this.#last_ms = at;
    return `${JSON.stringify([time / 1000, code, data])}\n`;
  }

  /** The last line; version 2 has none. */
  end(at_ms: number): string {
    return this.#version === 2 ? '' : this.event(at_ms, 'x', '0');
  }
}
