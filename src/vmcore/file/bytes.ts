/** Reading a file that may be huge, cut off or changing: opened read-only, through a cache of blocks. */
import { closeSync, constants, fstatSync, openSync, readSync } from 'node:fs';

/** Why a core cannot be read: one sentence, cause and, where there is one, remedy. */
export class CoreError extends Error {
  readonly stage: string;

  constructor(stage: string, text: string) {
    super(text);
    this.stage = stage;
  }
}

/** Bytes by offset. `read` gives all that was asked for, or nothing; what it gives must not be changed. */
export interface Bytes {
  readonly size: number;
  read(offset: number, length: number): Buffer | undefined;
}

const BLOCK = 64 * 1024;
/** 24 MiB. */
const MOST_BLOCKS = 384;

export class RawFile implements Bytes {
  readonly size: number;
  readonly stat: { readonly mtime: number; readonly device: string; readonly inode: string };
  readonly #fd: number;
  readonly #blocks = new Map<number, Buffer>();
  #lastNumber = -1;
  #last: Buffer = Buffer.alloc(0);

  constructor(path: string) {
    this.#fd = openFile(path);
    const stat = fstatSync(this.#fd, { bigint: true });
    if (!stat.isFile() && !stat.isBlockDevice()) {
      closeSync(this.#fd);
      throw new CoreError('file', `${path} is no regular file; give the file of a core`);
    }
    this.size = Number(stat.size);
    this.stat = { mtime: Number(stat.mtimeMs), device: String(stat.dev), inode: String(stat.ino) };
  }

  read(offset: number, length: number): Buffer | undefined {
    if (!(offset >= 0 && length >= 0 && offset + length <= this.size)) return undefined;
    const within = offset % BLOCK;
    if (within + length <= BLOCK)
      return this.#block((offset - within) / BLOCK)?.subarray(within, within + length);
    const out = Buffer.allocUnsafe(length);
    return readAll(this.#fd, out, offset) ? out : undefined;
  }

  /** Past the cache, for what is read once and lies far apart. */
  readDirect(offset: number, into: Buffer): boolean {
    return offset >= 0 && offset + into.length <= this.size && readAll(this.#fd, into, offset);
  }

  close(): void {
    this.#blocks.clear();
    closeSync(this.#fd);
  }

  #block(number: number): Buffer | undefined {
    if (number === this.#lastNumber) return this.#last;
    let block = this.#blocks.get(number);
    if (block === undefined) {
      const start = number * BLOCK;
      block = Buffer.allocUnsafeSlow(Math.min(BLOCK, this.size - start));
      if (!readAll(this.#fd, block, start)) return undefined;
      if (this.#blocks.size >= MOST_BLOCKS) dropOldest(this.#blocks, MOST_BLOCKS / 4);
      this.#blocks.set(number, block);
    }
    this.#lastNumber = number;
    this.#last = block;
    return block;
  }
}

/** Removes the entries that were added first. */
export function dropOldest<K>(map: Map<K, unknown>, count: number): void {
  let left = count;
  for (const key of map.keys()) {
    if (left-- <= 0) return;
    map.delete(key);
  }
}

function openFile(path: string): number {
  try {
    // A pipe that nobody writes to would be waited for.
    return openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code;
    const cause =
      code === 'ENOENT' ? 'there is no such file' : code === 'EACCES' ? 'permission denied' : code;
    throw new CoreError('file', `cannot read ${path}: ${cause ?? String(error)}`);
  }
}

function readAll(fd: number, into: Buffer, offset: number): boolean {
  let done = 0;
  while (done < into.length) {
    let count: number;
    try {
      count = readSync(fd, into, done, into.length - done, offset + done);
    } catch {
      return false;
    }
    if (count <= 0) return false;
    done += count;
  }
  return true;
}

/** A 64-bit number as a double; larger than 2⁵³ it is inexact, which no check of bounds lets pass. */
export function u64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 2 ** 32;
}
