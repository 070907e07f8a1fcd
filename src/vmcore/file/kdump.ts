/**
 * The compressed format of makedumpfile (diskdump/kdump): header, sub-header, two bitmaps, one descriptor per page
 * that is there. Where a page's descriptor is follows from how many bits are set before its own.
 */
import { inflateSync, zstdDecompressSync } from 'node:zlib';
import { type Bytes, CoreError, u64 } from './bytes.ts';
import { lzoDecompress } from './lzo.ts';
import { snappyDecompress } from './snappy.ts';

const ZLIB = 0x1;
const LZO = 0x2;
const SNAPPY = 0x4;
const INCOMPLETE = 0x8;
const ZSTD = 0x20;
const NAMES: readonly (readonly [number, string])[] = [
  [ZLIB, 'zlib'],
  [LZO, 'lzo'],
  [SNAPPY, 'snappy'],
  [ZSTD, 'zstd'],
];
const DESCRIPTOR = 24;
/** Looked at in one go, and how often at most, to find where the file ends. */
const DESCRIPTORS = 1024;
const MOST_BLOCKS = 64;
const WORDS_PER_RANK = 64;
/** 4 GiB of bitmap: 2⁴⁷ bytes of memory. */
const LONGEST_BITMAP = 2 ** 32;
const LONGEST_NOTES = 64 * 2 ** 20;

export interface KdumpHeader {
  readonly pageSize: number;
  readonly release: string;
  readonly machine: string;
  readonly hostname: string;
  readonly version: string;
  /** Of the header, seconds since the epoch; 0 = not set. */
  readonly time: number;
  readonly physBase: bigint | undefined;
  readonly notes: Buffer | undefined;
  readonly vmcoreinfo: string | undefined;
  readonly incomplete: boolean;
  /** Of `makedumpfile --split`: pages of this part, the end not included. */
  readonly part: readonly [number, number] | undefined;
}

export function isKdump(bytes: Bytes): boolean {
  const magic = bytes.read(0, 8)?.toString('latin1');
  return magic === 'KDUMP   ' || magic === 'DISKDUMP';
}

export class Kdump {
  readonly header: KdumpHeader;
  /** Pages in the file; memory the machine had, in pages. */
  readonly pages: number;
  readonly maxPfn: number;
  readonly truncated: boolean;
  /** Of the pages read so far. */
  readonly compressions = new Set<string>();
  readonly #bytes: Bytes;
  readonly #size: number;
  /** Second bitmap, from page 0; its set bits counted up to every 64th word. */
  readonly #bitmap: Uint32Array;
  readonly #ranks: Uint32Array;
  readonly #descriptors: number;
  readonly #firstPfn: number;
  readonly #endPfn: number;

  constructor(bytes: Bytes) {
    this.#bytes = bytes;
    const head = bytes.read(0, 464);
    if (head === undefined) throw new CoreError('file', 'the file ends within the header of the dump');
    const version = head.readUInt32LE(8);
    const block = head.readUInt32LE(428);
    if (block < 512 || block > 65536 || (block & (block - 1)) !== 0)
      throw new CoreError('file', `the header of the dump gives ${block} bytes a page: it is damaged`);
    this.#size = block;
    const subBlocks = head.readUInt32LE(432);
    const bitmapBlocks = head.readUInt32LE(436);
    const sub = version >= 1 ? bytes.read(block, Math.min(104, block)) : undefined;
    const split = sub !== undefined && version >= 2 && sub.readInt32LE(12) !== 0;
    const wide = version >= 6 && sub !== undefined;
    this.maxPfn = wide ? u64(sub, 96) : head.readUInt32LE(440);
    this.#firstPfn = split && sub !== undefined ? (wide ? u64(sub, 80) : u64(sub, 16)) : 0;
    this.#endPfn = split && sub !== undefined ? (wide ? u64(sub, 88) : u64(sub, 24)) : this.maxPfn;
    this.header = {
      ...readHeader(bytes, head, sub, version),
      part: split ? [this.#firstPfn, this.#endPfn] : undefined,
    };

    const bitmapBytes = bitmapBlocks * block;
    const start = (1 + subBlocks) * block;
    const half = Math.min(Math.floor(bitmapBytes / 2), Math.ceil(this.maxPfn / 8));
    const place = start + Math.floor(bitmapBytes / 2);
    // Cut off before it there is no memory, but the header still says whose core it is.
    const raw =
      bitmapBytes <= LONGEST_BITMAP && place + half <= bytes.size ? bytes.read(place, half) : undefined;
    this.#descriptors = start + bitmapBytes;
    const words = new Uint32Array(raw === undefined ? 0 : Math.ceil(half / 4));
    if (raw !== undefined) new Uint8Array(words.buffer).set(raw);
    this.#bitmap = words;
    this.#ranks = new Uint32Array(Math.floor(words.length / WORDS_PER_RANK) + 1);
    let total = 0;
    for (let i = 0; i < words.length; i++) {
      if (i % WORDS_PER_RANK === 0) this.#ranks[i / WORDS_PER_RANK] = total;
      total += popcount(words[i] as number);
    }
    this.pages = total;
    this.truncated = raw === undefined || this.header.incomplete || !this.#complete();
  }

  has(pfn: number): boolean {
    const word = this.#bitmap[Math.floor(pfn / 32)];
    return (
      word !== undefined && ((word >>> (pfn % 32)) & 1) === 1 && pfn >= this.#firstPfn && pfn < this.#endPfn
    );
  }

  /** A new buffer of one page, or nothing when it is not in the file or damaged. */
  read(pfn: number): Buffer | undefined {
    if (!this.has(pfn)) return undefined;
    const index = this.#rank(pfn) - (this.#firstPfn > 0 ? this.#rank(this.#firstPfn) : 0);
    const descriptor = this.#bytes.read(this.#descriptors + index * DESCRIPTOR, DESCRIPTOR);
    if (descriptor === undefined) return undefined;
    const size = descriptor.readUInt32LE(8);
    const flags = descriptor.readUInt32LE(12);
    if (size > this.#size) return undefined;
    const data = this.#bytes.read(u64(descriptor, 0), size);
    if (data === undefined) return undefined;
    return this.#expand(data, flags);
  }

  /** Pages that are there, ascending. */
  *pfns(): Iterable<number> {
    for (let i = 0; i < this.#bitmap.length; i++) {
      const word = this.#bitmap[i] as number;
      if (word === 0) continue;
      for (let bit = 0; bit < 32; bit++) if (((word >>> bit) & 1) === 1) yield i * 32 + bit;
    }
  }

  #expand(data: Buffer, flags: number): Buffer | undefined {
    this.compressions.add(NAMES.find(([flag]) => (flags & flag) !== 0)?.[1] ?? 'none');
    let page: Buffer | undefined;
    try {
      if ((flags & ZLIB) !== 0)
        page = inflateSync(data, { chunkSize: this.#size, maxOutputLength: this.#size });
      else if ((flags & ZSTD) !== 0)
        page = zstdDecompressSync(data, { chunkSize: this.#size, maxOutputLength: this.#size });
      else if ((flags & LZO) !== 0) page = lzoDecompress(data, this.#size);
      else if ((flags & SNAPPY) !== 0) page = snappyDecompress(data, this.#size);
      else page = Buffer.from(data);
    } catch {
      return undefined;
    }
    return page?.length === this.#size ? page : undefined;
  }

  /** How many pages are there before this one. */
  #rank(pfn: number): number {
    const word = Math.floor(pfn / 32);
    const from = Math.floor(word / WORDS_PER_RANK);
    let rank = this.#ranks[from] ?? this.pages;
    for (let i = from * WORDS_PER_RANK; i < word; i++) rank += popcount(this.#bitmap[i] as number);
    return rank + popcount((this.#bitmap[word] as number) & ((1 << (pfn % 32)) - 1));
  }

  /**
   * The last page of the file is really there. All pages of zeroes are one, at the beginning: of what there is at the end,
   * the furthest counts.
   */
  #complete(): boolean {
    let end = this.pages;
    for (let block = 0; block < MOST_BLOCKS && end > 0; block++) {
      const from = Math.max(0, end - DESCRIPTORS);
      const raw = this.#bytes.read(this.#descriptors + from * DESCRIPTOR, (end - from) * DESCRIPTOR);
      if (raw === undefined) return this.#firstPfn > 0;
      const [first, last] = furthest(raw);
      if (last > this.#bytes.size) return false;
      if (first !== last) return true;
      end = from;
    }
    return true;
  }
}

/** Where the data of the nearest of these pages ends, and that of the furthest. */
function furthest(descriptors: Buffer): readonly [number, number] {
  let [first, last] = [Number.POSITIVE_INFINITY, 0];
  for (let at = 0; at < descriptors.length; at += DESCRIPTOR) {
    const end = u64(descriptors, at) + descriptors.readUInt32LE(at + 8);
    first = Math.min(first, end);
    last = Math.max(last, end);
  }
  return [first, last];
}

function popcount(word: number): number {
  let bits = word - ((word >>> 1) & 0x55555555);
  bits = (bits & 0x33333333) + ((bits >>> 2) & 0x33333333);
  return Math.imul((bits + (bits >>> 4)) & 0x0f0f0f0f, 0x01010101) >>> 24;
}

function readHeader(
  bytes: Bytes,
  head: Buffer,
  sub: Buffer | undefined,
  version: number,
): Omit<KdumpHeader, 'part'> {
  const text = (index: number) => {
    const at = 12 + index * 65;
    return head.toString('latin1', at, at + 65).replace(/\0.*$/s, '');
  };
  const part = (at: number, size: number): Buffer | undefined =>
    size > 0 && size <= LONGEST_NOTES ? bytes.read(at, size) : undefined;
  const info = sub !== undefined && version >= 3 ? part(u64(sub, 32), u64(sub, 40)) : undefined;
  return {
    pageSize: head.readUInt32LE(428),
    hostname: text(1),
    release: text(2),
    version: text(3),
    machine: text(4),
    time: u64(head, 408),
    physBase: sub === undefined || version < 2 ? undefined : sub.readBigInt64LE(0),
    notes: sub !== undefined && version >= 4 ? part(u64(sub, 48), u64(sub, 56)) : undefined,
    vmcoreinfo: info?.toString('latin1').replace(/\0+$/, ''),
    incomplete: (head.readUInt32LE(424) & INCOMPLETE) !== 0,
  };
}
