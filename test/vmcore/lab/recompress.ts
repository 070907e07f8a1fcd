/**
 * A kdump file with its pages compressed another way. Debian's makedumpfile knows neither zstd nor snappy; this
 * writes what it would: the same headers and bitmaps, other pages, flags and places.
 */

import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { inflateSync, zstdCompressSync } from 'node:zlib';

/** Of the header and of each page; a page that does not become smaller is stored as it is, with no flag. */
const ZLIB = 0x1;
const FLAGS = { snappy: 0x4, zstd: 0x20 } as const;
export type Compression = keyof typeof FLAGS;

// struct disk_dump_header
const STATUS = 424;
const BLOCK_SIZE = 428;
const SUB_HEADER_BLOCKS = 432;
const BITMAP_BLOCKS = 436;
// struct page_desc: offset (u64), size (u32), flags (u32), page_flags (u64)
const DESCRIPTOR = 24;

const LIST_LENGTH = 4;
/** Debian's own: its modules come as packages. */
const PYTHON = '/usr/bin/python3';
const MOST_BYTES = 1024 ** 3;

/** By the real library; both ways pages go as their length and their bytes. */
const SNAPPY = `
import snappy, struct, sys
data, out, at = sys.stdin.buffer.read(), sys.stdout.buffer, 0
while at < len(data):
    (size,) = struct.unpack_from("<I", data, at)
    page = snappy.compress(data[at + 4 : at + 4 + size])
    out.write(struct.pack("<I", len(page)) + page)
    at += 4 + size
`;

function snappyPages(pages: readonly Buffer[]): Buffer[] {
  const lengthOf = (page: Buffer) => {
    const length = Buffer.alloc(LIST_LENGTH);
    length.writeUInt32LE(page.length);
    return length;
  };
  const answer = execFileSync(PYTHON, ['-c', SNAPPY], {
    input: Buffer.concat(pages.flatMap((page) => [lengthOf(page), page])),
    maxBuffer: MOST_BYTES,
  });
  const compressed: Buffer[] = [];
  for (let at = 0; at < answer.length; ) {
    const size = answer.readUInt32LE(at);
    compressed.push(answer.subarray(at + LIST_LENGTH, at + LIST_LENGTH + size));
    at += LIST_LENGTH + size;
  }
  return compressed;
}

const bitsOf = (bytes: Buffer) => {
  let bits = 0;
  for (const byte of bytes) for (let rest = byte; rest !== 0; rest &= rest - 1) bits++;
  return bits;
};

/** `from` is not flattened and has zlib pages. */
export function recompress(from: string, to: string, compression: Compression): void {
  const file = readFileSync(from);
  const block = file.readUInt32LE(BLOCK_SIZE);
  const bitmap = block * (1 + file.readUInt32LE(SUB_HEADER_BLOCKS));
  const descriptors = bitmap + block * file.readUInt32LE(BITMAP_BLOCKS);
  // Two bitmaps: what memory there is, and what of it is in the file.
  const count = bitsOf(file.subarray((bitmap + descriptors) / 2, descriptors));

  const head = Buffer.from(file.subarray(0, descriptors + count * DESCRIPTOR));
  head.writeUInt32LE((head.readUInt32LE(STATUS) & ~ZLIB) | FLAGS[compression], STATUS);

  // Pages of zeros share one place.
  const places = new Map<bigint, number>();
  const pages: Buffer[] = [];
  for (let i = 0; i < count; i++) {
    const at = descriptors + i * DESCRIPTOR;
    const place = file.readBigUInt64LE(at);
    if (places.has(place)) continue;
    const stored = file.subarray(Number(place), Number(place) + file.readUInt32LE(at + 8));
    places.set(place, pages.length);
    pages.push(file.readUInt32LE(at + 12) & ZLIB ? inflateSync(stored) : stored);
  }
  const smaller = compression === 'zstd' ? pages.map((page) => zstdCompressSync(page)) : snappyPages(pages);

  let end = head.length;
  const written = pages.map((page, index) => {
    const packed = smaller[index] ?? page;
    const [bytes, flags] = packed.length < page.length ? [packed, FLAGS[compression]] : [page, 0];
    const offset = end;
    end += bytes.length;
    return { bytes, flags, offset };
  });
  for (let i = 0; i < count; i++) {
    const at = descriptors + i * DESCRIPTOR;
    const page = written[places.get(head.readBigUInt64LE(at)) ?? -1];
    if (page === undefined) throw new Error(`${from} has no page ${i}`);
    head.writeBigUInt64LE(BigInt(page.offset), at);
    head.writeUInt32LE(page.bytes.length, at + 8);
    head.writeUInt32LE(page.flags, at + 12);
  }
  writeFileSync(to, Buffer.concat([head, ...written.map(({ bytes }) => bytes)]));
}
