/** A recording on disk, written as it happens. What is in the file at any moment can be replayed. */
import { closeSync, constants, openSync, write as writeBytes } from 'node:fs';
import { promisify } from 'node:util';
import { type ChunkInfo, makeHead, makeIndex, makeSeal } from './format.ts';
import type { Sealed, Sink } from './growing.ts';
import { MOST_MARKS } from './limits.ts';

/** Bytes that may wait for a disk that does not keep up. */
const MOST_WAITING = 64 << 20;

/** Makes the file. Throws an Error with one sentence when it cannot be made, or is there already. */
export function createFile(path: string): number {
  try {
    return openSync(path, constants.O_WRONLY | constants.O_CREAT | constants.O_EXCL, 0o600);
  } catch (error) {
    throw new Error(why(path, error as NodeJS.ErrnoException));
  }
}

function why(path: string, { code, message }: NodeJS.ErrnoException): string {
  switch (code) {
    case 'EEXIST':
      return `${path} is there already; record to another name, nothing is overwritten`;
    case 'ENOENT':
      return `there is no directory for ${path}; make it first`;
    case 'EACCES':
    case 'EPERM':
    case 'EROFS':
      return `${path} may not be written; record to another directory`;
    default:
      return `${path} cannot be made (${code ?? message}); record to another name`;
  }
}

export class FileWriter implements Sink {
  readonly #path: string;
  readonly #fd: number;
  readonly #onError: (text: string) => void;
  readonly #chunks: ChunkInfo[] = [];
  #marks = 0;
  #number = 0;
  /** Of the head of the chunk being written. */
  #offset = 0;
  /** Bytes handed over, bytes written. */
  #given = 0;
  #written = 0;
  #waiting: Buffer[] = [];
  #writing: Promise<void> | undefined;
  #error = '';
  #closed = false;

  /** `onError`: told once, one sentence; nothing is written after that. */
  constructor(path: string, fd: number, onError: (text: string) => void) {
    this.#path = path;
    this.#fd = fd;
    this.#onError = onError;
  }

  /** Bytes of the file so far. */
  get bytes(): number {
    return this.#written;
  }

  /** Bytes handed over and not written yet. */
  get waiting(): number {
    return this.#given - this.#written;
  }

  begin(from: number): void {
    this.#offset = this.#given;
    this.#put(makeHead(this.#number, from));
    this.#number += 1;
  }

  grow(bytes: Buffer): void {
    this.#put(bytes);
  }

  seal(chunk: Sealed): void {
    const { frame, text, crc, from, to, counts, marks } = chunk;
    const kept = this.#marks + marks.length > MOST_MARKS ? marks.slice(0, 1) : marks;
    this.#marks += kept.length;
    const info = {
      offset: this.#offset,
      packed: frame.length,
      text,
      crc,
      from,
      to,
      counts,
      marks: kept,
    };
    this.#chunks.push(info);
    this.#put(makeSeal(info));
  }

  /** Resolves when everything handed over has been written. */
  async idle(): Promise<void> {
    await this.#writing;
  }

  /** Writes the index and closes the file. Resolves to what went wrong, `''` if nothing did. */
  async close(): Promise<string> {
    if (this.#closed) return this.#error;
    this.#closed = true;
    this.#put(makeIndex(this.#chunks, this.#given) ?? Buffer.alloc(0));
    await this.#writing;
    try {
      closeSync(this.#fd);
    } catch (error) {
      this.#fail(error as NodeJS.ErrnoException);
    }
    return this.#error;
  }

  #put(bytes: Buffer): void {
    this.#given += bytes.length;
    if (this.#error !== '' || bytes.length === 0) return;
    this.#waiting.push(bytes);
    if (this.waiting > MOST_WAITING) this.#fail(Object.assign(new Error('slow'), { code: 'ESLOW' }));
    this.#writing ??= this.#drain().finally(() => {
      this.#writing = undefined;
    });
  }

  async #drain(): Promise<void> {
    while (this.#waiting.length > 0 && this.#error === '') {
      const bytes = Buffer.concat(this.#waiting);
      this.#waiting = [];
      try {
        for (let at = 0; at < bytes.length; ) {
          const { bytesWritten } = await write(this.#fd, bytes, at, bytes.length - at);
          at += bytesWritten;
          this.#written += bytesWritten;
        }
      } catch (error) {
        this.#fail(error as NodeJS.ErrnoException);
      }
    }
  }

  #fail(error: NodeJS.ErrnoException): void {
    if (this.#error !== '') return;
    this.#waiting = [];
    const cause = CAUSES[error.code ?? ''] ?? `it cannot be written (${error.code ?? error.message})`;
    this.#error = `${cause}; what is in ${this.#path} can be replayed`;
    this.#onError(this.#error);
  }
}

const CAUSES: Readonly<Record<string, string>> = {
  ENOSPC: 'the disk is full',
  EDQUOT: 'the quota is used up',
  EFBIG: 'the file may not grow any more',
  EIO: 'the disk fails',
  ESLOW: 'the disk does not keep up',
};

const write = promisify(writeBytes);
