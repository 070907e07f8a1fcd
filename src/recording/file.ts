/** A recording on disk, read chunk by chunk. Nothing in it is trusted. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';
import { crc32 } from 'node:zlib';
import type { Mark } from '../sources/source.ts';
import { Chunk, ChunkCache, trusted } from './chunk.ts';
import {
  type ChunkInfo,
  HEAD_BYTES,
  inOrder,
  partAt,
  readHead,
  readIndex,
  readTrailer,
  TRAILER_BYTES,
} from './format.ts';
import {
  CHUNK_MARKS,
  FORMAT,
  MOST_INDEX,
  MOST_MARKS,
  MOST_PACKED,
  MOST_TEXT,
  MOST_UNSEALED,
} from './limits.ts';
import { markOf } from './reading.ts';
import { type Found, scan, type Unsealed } from './scan.ts';
import type { Span, Timeline } from './timeline.ts';
import { frameEnd, unpack } from './zstd.ts';

/** Why a file cannot be played: one sentence, cause; remedy. */
export class NotPlayable extends Error {}

export class RecordingFile implements Timeline {
  readonly path: string;
  readonly bytes: number;
  readonly first = 0;
  readonly damage: { time: number; text: string }[] = [];
  readonly #fd: number;
  readonly #chunks: readonly ChunkInfo[];
  /** Numbers of chunks that have no seal. */
  readonly #unsealed = new Set<number>();
  readonly #bad = new Set<number>();
  readonly #cache = new ChunkCache();
  #scratch = Buffer.alloc(0);

  /** Throws `NotPlayable`. */
  constructor(path: string) {
    this.path = path;
    this.#fd = openFile(path);
    try {
      this.bytes = fstatSync(this.#fd).size;
      this.#chunks = this.#find();
      if (this.#chunks.length === 0) throw new NotPlayable(this.#nothing());
    } catch (error) {
      closeSync(this.#fd);
      const { code } = error as NodeJS.ErrnoException;
      if (error instanceof NotPlayable || code === undefined) throw error;
      throw new NotPlayable(`${path} cannot be read (${code}); see that its disk is well`);
    }
  }

  close(): void {
    closeSync(this.#fd);
  }

  get end(): number {
    return this.#chunks.length;
  }

  span(number: number): Span {
    return this.#chunks[number] as ChunkInfo;
  }

  chunk(number: number): Chunk | undefined {
    const info = this.#chunks[number];
    if (info === undefined || this.#bad.has(number)) return undefined;
    return this.#cache.get(number, () => this.#read(number, info));
  }

  #read(number: number, info: ChunkInfo): Chunk | undefined {
    try {
      const frame = this.#frame(info.offset + HEAD_BYTES, info.packed);
      if (this.#unsealed.has(number)) return new Chunk(salvage(frame).text);
      if (frame.length < info.packed) throw new Error('it is cut off');
      if (crc32(frame) !== info.crc) throw new Error('its checksum is wrong');
      const text = unpack(frame, info.text, info.text);
      const chunk = new Chunk(text);
      if (chunk.unfit > 0)
        this.#hurt(
          info.from,
          `${chunk.unfit} lines of the frame at ${place(info)} are no lines of a recording; skipped`,
        );
      return chunk;
    } catch (error) {
      this.#bad.add(number);
      const cause = (error as Error).message;
      this.#hurt(info.from, `the frame at ${place(info)} is damaged (${cause}); skipped`);
      return undefined;
    }
  }

  #hurt(time: number, text: string): void {
    if (this.damage.length < 1000) this.damage.push({ time, text });
  }

  /** A frame, in a buffer that the next one will be in too: thousands of them would wait for the garbage collector. */
  #frame(offset: number, length: number): Buffer {
    const wanted = Math.max(0, Math.min(length, this.bytes - offset));
    if (this.#scratch.length < wanted) this.#scratch = Buffer.allocUnsafeSlow(wanted);
    return this.#fill(this.#scratch.subarray(0, wanted), offset);
  }

  #bytes(offset: number, length: number): Buffer {
    return this.#fill(Buffer.allocUnsafe(Math.max(0, Math.min(length, this.bytes - offset))), offset);
  }

  /** What of it is in the file. */
  #fill(bytes: Buffer, offset: number): Buffer {
    let got = 0;
    while (got < bytes.length) {
      const read = readSync(this.#fd, bytes, got, bytes.length - got, offset + got);
      if (read === 0) break;
      got += read;
    }
    return bytes.subarray(0, got);
  }

  /** From the index, else by looking for heads and seals. */
  #find(): readonly ChunkInfo[] {
    const start = this.#bytes(0, HEAD_BYTES);
    const head = partAt(start, 0)?.kind === 'head' ? readHead(start) : undefined;
    if (head !== undefined && head.version > FORMAT)
      throw new NotPlayable(
        `${this.path} was recorded by a newer ktop (format ${head.version}, this one reads up to ${FORMAT}); replay it with that`,
      );
    const trailer = readTrailer(
      this.#bytes(Math.max(0, this.bytes - TRAILER_BYTES), TRAILER_BYTES),
      this.bytes,
    );
    if (trailer !== undefined && trailer.length <= MOST_INDEX) {
      const chunks = readIndex(this.#bytes(trailer.offset, trailer.length), trailer.offset);
      if (chunks !== undefined) return chunks;
      this.#hurt(0, 'the index is damaged; made anew from what is in the file');
      return this.#scan();
    }
    const chunks = this.#scan();
    const last = chunks.at(-1);
    if (last !== undefined)
      this.#hurt(last.to, `it was not ended in order: what was seen after ${clock(last.to)} is missing`);
    return chunks;
  }

  #scan(): readonly ChunkInfo[] {
    return this.#ordered(scan((offset, length) => this.#bytes(offset, length), this.bytes));
  }

  /** Chunks with what is known of them, those without a seal looked into; what is between them is named. */
  #ordered(found: readonly Found[]): readonly ChunkInfo[] {
    const chunks: ChunkInfo[] = [];
    let [looks, at, marks] = [0, 0, 0];
    for (const item of found) {
      if (item.offset > at) this.#gap(at, item.offset, chunks.at(-1));
      at = Math.max(at, item.end);
      const unsealed = !('seal' in item);
      if (unsealed) looks += 1;
      if (looks > MOST_UNSEALED) break;
      const info = unsealed ? this.#look(item) : item.seal;
      if (info === undefined) continue;
      if (!inOrder([...chunks.slice(-1), info], this.bytes)) {
        this.#hurt(info.from, `the frame at ${place(info)} is out of order; skipped`);
        continue;
      }
      if (unsealed) this.#unsealed.add(chunks.length);
      chunks.push(marks < MOST_MARKS ? info : { ...info, marks: [] });
      marks += info.marks.length;
    }
    const rest = this.#bytes(at, HEAD_BYTES);
    const cut = rest.length < HEAD_BYTES || partAt(rest, 0) !== undefined;
    if (chunks.length > 0 && !cut) this.#gap(at, this.bytes, chunks.at(-1));
    return chunks;
  }

  #gap(from: number, to: number, before: ChunkInfo | undefined): void {
    this.#hurt(
      before?.to ?? 0,
      `the frame at byte ${from} is damaged (${to - from} bytes without a beginning); skipped`,
    );
  }

  /** What is in a chunk without a seal; nothing when nothing of it is whole. */
  #look({ offset, end }: Unsealed): ChunkInfo | undefined {
    const packed = Math.min(end - offset - HEAD_BYTES, MOST_PACKED);
    try {
      const { text, broken } = salvage(this.#frame(offset + HEAD_BYTES, packed));
      const chunk = new Chunk(text);
      const [first, last] = [chunk.lines[0], chunk.lines.at(-1)];
      if (broken || end < this.bytes)
        this.#hurt(
          last?.time ?? 0,
          `the frame at byte ${offset} is damaged towards its end; shown as far as it is whole`,
        );
      if (first === undefined || last === undefined) return undefined;
      const found = new Map<string, number>();
      const marks: Mark[] = [];
      for (const line of chunk.lines) {
        if (line.kind === 'snap') found.set(line.monitor, (found.get(line.monitor) ?? 0) + 1);
        const mark = line.kind === 'mark' && marks.length < CHUNK_MARKS ? markOf(chunk, line) : undefined;
        if (mark !== undefined) marks.push(mark);
      }
      const [from, to, counts] = [first.time, last.time, Object.fromEntries(found)];
      return { offset, packed, text: chunk.bytes, crc: 0, from, to, counts, marks };
    } catch (error) {
      this.#hurt(0, `the frame at byte ${offset} is damaged (${(error as Error).message}); skipped`);
      return undefined;
    }
  }

  #nothing(): string {
    if (this.bytes === 0) return `${this.path} is empty; nothing was recorded`;
    return this.damage.length > 0
      ? `nothing in ${this.path} can be read any more; replay another recording`
      : `${this.path} is no recording of ktop; give a file made by ktop record`;
  }
}

function clock(time: number): string {
  return new Date(time).toISOString();
}

/** Where a frame is, for people. */
function place({ offset, from, to }: ChunkInfo): string {
  return `byte ${offset} (${clock(from)} to ${clock(to)})`;
}

/** What can be read and trusted of a frame that may be cut off, and may have its seal, damaged or cut, behind it. */
function salvage(bytes: Buffer): ReturnType<typeof trusted> {
  const end = frameEnd(bytes, 0);
  const { text, broken } = trusted(
    unpack(bytes.subarray(0, end ?? bytes.length), MOST_TEXT, 1 << 16, end === undefined),
  );
  const rest = end === undefined ? 0 : bytes.length - end;
  return { text, broken: broken || (rest >= HEAD_BYTES && partAt(bytes, end as number) === undefined) };
}

function openFile(path: string): number {
  let fd: number;
  try {
    // Opening a FIFO would wait for somebody to write to it.
    fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new NotPlayable(
      code === 'ENOENT'
        ? `there is no ${path}; give a file made by ktop record`
        : `${path} cannot be opened (${code}); see that it may be read`,
    );
  }
  if (fstatSync(fd).isFile()) return fd;
  closeSync(fd);
  throw new NotPlayable(`${path} is no file; give a file made by ktop record`);
}
