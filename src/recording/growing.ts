/** The chunk that is being written: its text grows, its frame follows in zlib's threads. */
import { crc32 } from 'node:zlib';
import type { Mark } from '../sources/source.ts';
import { sumLine } from './chunk.ts';
import { plainLine } from './encode.ts';
import { CHUNK_MARKS, FLUSH_MS, KEY_SHARE, MOST_LINES, MOST_TEXT } from './limits.ts';
import type { Span } from './timeline.ts';
import { FrameStream } from './zstd.ts';

/** A chunk that is over. */
export interface Sealed extends Span {
  readonly frame: Buffer;
  /** Bytes of its text. */
  readonly text: number;
  readonly crc: number;
}

/** A chunk for the history: its text until its frame is made. */
export interface Kept extends Span {
  content: { readonly text: Buffer } | { readonly frame: Buffer; readonly text: number };
}

/** Takes frames as they grow. `begin`, then `grow` some times, then `seal`, then the next `begin`. */
export interface Sink {
  begin(from: number): void;
  grow(bytes: Buffer): void;
  seal(chunk: Sealed): void;
}

/** Does something after everything before it has been done. */
export type Later = (task: () => void | Promise<void>) => void;

export class GrowingChunk implements Span {
  readonly from: number;
  to: number;
  readonly marks: Mark[] = [];
  readonly #sinks: readonly Sink[];
  readonly #later: Later;
  readonly #counts = new Map<string, number>();
  /** Text that is in the frame or on its way, and lines that are not. */
  readonly #text: Buffer[] = [];
  #lines: string[];
  /** Of the lines that say how things stand; of all, about; how many. */
  readonly #keyBytes: number;
  #bytes: number;
  #count: number;
  readonly #standing: number;
  /** Made when there is something for it. */
  #stream: FrameStream | undefined;
  readonly #frame: Buffer[] = [];
  #timer: NodeJS.Timeout | undefined;

  /** `standing`: the lines that say how everything stands. */
  constructor(from: number, standing: string[], sinks: readonly Sink[], later: Later) {
    this.from = from;
    this.to = from;
    this.#lines = standing;
    this.#standing = standing.length;
    this.#count = standing.length;
    this.#keyBytes = standing.reduce((sum, line) => sum + line.length, 0);
    this.#bytes = this.#keyBytes;
    this.#sinks = sinks;
    this.#later = later;
    for (const sink of sinks) later(() => sink.begin(from));
    this.#arm();
  }

  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#counts);
  }

  /** Holds `bytes` of text, or many times what it opens with, or very many lines. */
  isFull(bytes: number): boolean {
    const most = Math.min(Math.max(bytes, KEY_SHARE * this.#keyBytes), MOST_TEXT / 2);
    return this.#bytes >= most || this.#count >= MOST_LINES / 2;
  }

  write(line: string, time: number): void {
    this.#lines.push(line);
    this.#bytes += line.length;
    this.#count += 1;
    this.to = time;
    this.#arm();
  }

  writeSnapshot(line: string, time: number, monitor: string): void {
    this.write(line, time);
    this.#counts.set(monitor, (this.#counts.get(monitor) ?? 0) + 1);
  }

  /** Of very many the first stand for the rest. */
  mark(mark: Mark): void {
    if (this.marks.length >= CHUNK_MARKS) return;
    this.marks.push(mark);
    const { time, monitor, kind, text } = mark;
    this.write(plainLine('mark', time, monitor, { mark: { kind, text } }), time);
  }

  /** All of the text so far; it only ever grows. */
  text(): Buffer {
    return Buffer.concat([...this.#text, Buffer.from(this.#lines.join(''))]);
  }

  /** Hands on to the sinks what has been written so far. */
  flush(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#lines.length === 0) return;
    const text = this.#taken();
    this.#later(async () => {
      this.#stream ??= new FrameStream();
      this.#grow(await this.#stream.flush(text));
    });
  }

  /** Ends it. For the history; undefined for one that only says how things stand. */
  seal(): Kept | undefined {
    clearTimeout(this.#timer);
    const rest = this.#lines.length === 0 ? Buffer.alloc(0) : this.#taken();
    const text = Buffer.concat(this.#text);
    const { from, to, counts, marks } = this;
    const kept: Kept = { content: { text }, from, to, counts, marks };
    this.#later(async () => {
      this.#stream ??= new FrameStream();
      this.#grow(await this.#stream.end(rest));
      const frame = Buffer.concat(this.#frame);
      kept.content = { frame, text: text.length };
      const sealed = { frame, text: text.length, crc: crc32(frame), from, to, counts, marks };
      for (const sink of this.#sinks) sink.seal(sealed);
    });
    return this.#count > this.#standing ? kept : undefined;
  }

  /** What has been written is soon on its way, if it is on its way to anybody. */
  #arm(): void {
    if (this.#sinks.length > 0) this.#timer ??= setTimeout(() => this.flush(), FLUSH_MS);
  }

  /** The lines not handed on yet, with their checksum. */
  #taken(): Buffer {
    const lines = Buffer.from(this.#lines.join(''));
    const text = Buffer.concat([lines, Buffer.from(sumLine(this.to, lines))]);
    this.#lines = [];
    this.#text.push(text);
    return text;
  }

  #grow(bytes: Buffer): void {
    this.#frame.push(bytes);
    for (const sink of this.#sinks) sink.grow(bytes);
  }
}
