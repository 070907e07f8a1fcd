/** The text of a chunk, with its lines found but not parsed. */
import { crc32 } from 'node:zlib';
import { parseLine } from './decode.ts';
import type { Kind } from './encode.ts';
import { MOST_LINE, MOST_LINES } from './limits.ts';
import type { Json } from './shape.ts';

export interface Line {
  readonly kind: Kind;
  readonly time: number;
  /** `''`: of none. */
  readonly monitor: string;
  /** Where its text is. */
  readonly start: number;
  readonly end: number;
}

const PREFIX = /^\{"k":"([a-z]{3,5})","t":(\d{1,16})(?:,"m":"([a-z0-9][a-z0-9-]{0,39})")?[,}]/;
const PREFIX_BYTES = 96;
const LINE_FEED = 10;

export class Chunk {
  readonly lines: readonly Line[];
  /** Lines that are none of a recording; left out. */
  readonly unfit: number;
  readonly #text: Buffer;

  /** `text`: whole lines. `before`: of a text that this one continues. */
  constructor(text: Buffer, before?: Chunk) {
    this.#text = text;
    const lines: Line[] = before === undefined ? [] : [...before.lines];
    let [time, unfit] = [lines.at(-1)?.time ?? 0, before?.unfit ?? 0];
    for (let start = before?.bytes ?? 0; start < text.length && unfit < MOST_LINES; ) {
      const feed = text.indexOf(LINE_FEED, start);
      const end = feed < 0 ? text.length : feed;
      const match = PREFIX.exec(text.toString('latin1', start, Math.min(end, start + PREFIX_BYTES)));
      if (match === null || end - start > MOST_LINE) unfit += 1;
      else if (lines.length >= MOST_LINES) break;
      else {
        const [, kind, at, monitor = ''] = match;
        // Never back in time, whatever the text says.
        time = Math.max(time, Math.min(Number(at), 8.64e15));
        lines.push({ kind: kind as Kind, time, monitor, start, end });
      }
      start = end + 1;
    }
    this.lines = lines;
    this.unfit = unfit;
  }

  get bytes(): number {
    return this.#text.length;
  }

  /** The members of a line. Throws `Unfit`. */
  members(line: Line): Json {
    return parseLine(this.#text.toString('utf8', line.start, line.end));
  }

  /** How many lines are of `time` or before. */
  upTo(time: number): number {
    let [low, high] = [0, this.lines.length];
    while (low < high) {
      const middle = (low + high) >> 1;
      if ((this.lines[middle] as Line).time <= time) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}

/**
 * The part of a text that has been written and checked: up to the last `sum` line whose checksum fits what is between it
 * and the one before. Of a chunk that has no seal this is all that can be trusted. `broken`: a checksum did not fit.
 */
export function trusted(text: Buffer): { readonly text: Buffer; readonly broken: boolean } {
  let [checked, broken] = [0, false];
  for (let start = 0; start < text.length && !broken; ) {
    const feed = text.indexOf(LINE_FEED, start);
    if (feed < 0) break;
    const match = SUM.exec(text.toString('latin1', start, Math.min(feed, start + PREFIX_BYTES)));
    if (match !== null) {
      broken = crc32(text.subarray(checked, start)) !== Number.parseInt(match[1] as string, 16);
      if (!broken) checked = feed + 1;
    }
    start = feed + 1;
  }
  return { text: text.subarray(0, checked), broken };
}

const SUM = /^\{"k":"sum","t":\d{1,16},"crc":"([0-9a-f]{8})"\}$/;

/** The line that vouches for the text since the last one. */
export function sumLine(time: number, text: Buffer): string {
  return `{"k":"sum","t":${time},"crc":"${crc32(text).toString(16).padStart(8, '0')}"}\n`;
}

/** Bytes of text that a cache keeps. */
const CACHE_BYTES = 8 << 20;

/** Chunks read before, those used last. */
export class ChunkCache {
  readonly #chunks = new Map<number, Chunk>();
  #bytes = 0;

  /** The chunk of that number; read now if it is not here. */
  get(number: number, read: () => Chunk | undefined): Chunk | undefined {
    const known = this.#chunks.get(number);
    this.#chunks.delete(number);
    const chunk = known ?? read();
    if (chunk === undefined) return undefined;
    this.#chunks.set(number, chunk);
    if (known === undefined) this.#bytes += chunk.bytes;
    for (const [oldest, { bytes }] of this.#chunks) {
      if (this.#bytes <= CACHE_BYTES || oldest === number) break;
      this.#chunks.delete(oldest);
      this.#bytes -= bytes;
    }
    return chunk;
  }
}
