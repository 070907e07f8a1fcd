/** zstd with limits. */
import { constants, createZstdCompress, zstdCompressSync, zstdDecompressSync } from 'node:zlib';
import { WINDOW_LOG } from './limits.ts';

const LEVEL = 3;

/** One frame, made in pieces in zlib's threads. */
export class FrameStream {
  readonly #stream = createZstdCompress({
    params: { [constants.ZSTD_c_compressionLevel]: LEVEL, [constants.ZSTD_c_checksumFlag]: 1 },
  });
  #parts: Buffer[] = [];

  constructor() {
    this.#stream.on('data', (part: Buffer) => this.#parts.push(part));
  }

  /** Bytes from which everything written so far can be read back. */
  async flush(text: Buffer): Promise<Buffer> {
    await new Promise<void>((resolve, reject) => {
      this.#stream.once('error', reject);
      this.#stream.write(text);
      this.#stream.flush(constants.ZSTD_e_flush, () => {
        this.#stream.off('error', reject);
        resolve();
      });
    });
    return this.#taken();
  }

  /** The rest of the frame. */
  async end(text: Buffer): Promise<Buffer> {
    await new Promise<void>((resolve, reject) => {
      this.#stream.once('error', reject);
      this.#stream.once('end', resolve);
      this.#stream.end(text);
    });
    return this.#taken();
  }

  #taken(): Buffer {
    const bytes = Buffer.concat(this.#parts);
    this.#parts = [];
    return bytes;
  }
}

export function pack(text: Buffer): Buffer {
  return zstdCompressSync(text, { params: { [constants.ZSTD_c_compressionLevel]: LEVEL } });
}

/**
 * The text of one frame; of one that has been cut, what can still be read. Throws when it is damaged or holds more than
 * `most` bytes. `expected`: bytes it should have.
 */
export function unpack(frame: Buffer, most: number, expected: number, cut = false): Buffer {
  return zstdDecompressSync(frame, {
    params: { [constants.ZSTD_d_windowLogMax]: WINDOW_LOG },
    maxOutputLength: most,
    // A byte more than there is: a piece that is full would be followed by another of that size.
    chunkSize: Math.min(Math.max(expected, 1024), most) + 1,
    finishFlush: cut ? constants.ZSTD_e_continue : constants.ZSTD_e_end,
  });
}

/** Where the frame that begins at `start` ends; undefined when it is cut off or is none. */
export function frameEnd(bytes: Buffer, start: number): number | undefined {
  if (start + 6 > bytes.length || bytes.readUInt32LE(start) !== 0xfd2fb528) return undefined;
  const descriptor = bytes[start + 4] as number;
  const single = (descriptor & 0x20) !== 0;
  const contentSize = [single ? 1 : 0, 2, 4, 8][descriptor >> 6] as number;
  const dictionary = [0, 1, 2, 4][descriptor & 3] as number;
  let at = start + 5 + (single ? 0 : 1) + dictionary + contentSize;
  for (;;) {
    if (at + 3 > bytes.length) return undefined;
    const header = bytes.readUIntLE(at, 3);
    const type = (header >> 1) & 3;
    if (type === 3) return undefined;
    at += 3 + (type === 1 ? 1 : header >> 3);
    if ((header & 1) === 1) break;
  }
  at += (descriptor & 4) !== 0 ? 4 : 0;
  return at <= bytes.length ? at : undefined;
}
